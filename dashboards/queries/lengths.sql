-- How long are the texts that were kept, and those that were dropped? (in bins, from `chars` up to twice that)
SELECT corpus, CASE WHEN length(text) = 0 THEN 0 ELSE (2 ** floor(log2(length(text))))::BIGINT END AS chars,
       count(*) FILTER (kept) AS kept, count(*) FILTER (NOT kept) AS dropped
FROM texts JOIN fates USING (corpus, doc_id)
GROUP BY ALL
ORDER BY corpus, chars
