-- Which raw files could not be read, or not to their end, and why?
SELECT corpus, source, file, error, min(error_detail) AS detail, count(*) AS records
FROM records
WHERE error IN ('unreadable', 'truncated')
GROUP BY ALL
ORDER BY corpus, source, file, error
