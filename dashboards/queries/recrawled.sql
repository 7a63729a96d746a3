-- Which URLs came in more than once, and how many of their records were kept?
SELECT corpus, url, count(*) AS records, count(*) FILTER (kept) AS kept, min(fetched_at) AS first_fetched, max(fetched_at) AS last_fetched
FROM records JOIN fates USING (corpus, doc_id)
WHERE url IS NOT NULL
GROUP BY ALL
HAVING count(*) > 1
ORDER BY corpus, records DESC, url
LIMIT 100
