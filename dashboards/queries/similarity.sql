-- How similar are the duplicates to what was kept instead? (in bins of 0.05, from `similarity` up)
SELECT corpus, kind, floor(similarity * 20) / 20 AS similarity, count(*) AS documents
FROM duplicates
WHERE similarity IS NOT NULL
GROUP BY ALL
ORDER BY corpus, kind, similarity
