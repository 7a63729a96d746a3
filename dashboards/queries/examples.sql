-- What do the records look like that each rule dropped? (three of each)
WITH chosen AS (
    SELECT corpus, rule, value, bound, detail, doc_id FROM fates WHERE NOT kept
    QUALIFY row_number() OVER (PARTITION BY corpus, rule ORDER BY doc_id) <= 3
)
SELECT corpus, rule, value, bound, detail, url, left(text, 300) AS text, doc_id
FROM chosen
LEFT JOIN (SELECT corpus, doc_id, url FROM records) USING (corpus, doc_id)
LEFT JOIN (SELECT corpus, doc_id, text FROM texts) USING (corpus, doc_id)
ORDER BY corpus, rule, doc_id
