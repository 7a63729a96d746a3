-- Which kept documents have the most copies, and which pages were those?
WITH clusters AS (
    SELECT corpus, duplicate_of, twin_corpus, count(*) AS copies,
           round(min(similarity), 4) AS least_similar, round(max(similarity), 4) AS most_similar,
           list_sort(list(url))[:3] AS examples
    FROM duplicates LEFT JOIN (SELECT corpus, doc_id, url FROM records) USING (corpus, doc_id)
    GROUP BY ALL
    ORDER BY corpus, copies DESC, duplicate_of
    LIMIT 50
), twins AS (
    SELECT doc_id AS duplicate_of, min(url) AS kept FROM records
    WHERE doc_id IN (SELECT duplicate_of FROM clusters) GROUP BY doc_id
)
SELECT corpus, copies, kept, examples, least_similar, most_similar, twin_corpus, duplicate_of
FROM clusters LEFT JOIN twins USING (duplicate_of)
ORDER BY corpus, copies DESC, duplicate_of
