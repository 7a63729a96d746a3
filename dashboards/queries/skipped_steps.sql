-- Which steps moved no weights, why, and what had they read?
SELECT run, step, outcome, loss, gradient_norm, count(DISTINCT doc_id) AS documents,
       list(DISTINCT url ORDER BY url)[:5] AS urls
FROM steps
JOIN step_documents USING (run, step)
LEFT JOIN (SELECT DISTINCT doc_id, url FROM records) USING (doc_id)
WHERE outcome <> 'taken'
GROUP BY ALL
ORDER BY run, step
