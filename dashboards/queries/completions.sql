-- How does each run's model go on from the beginnings of held-out documents?
SELECT run, url, prompt, completion, doc_id
FROM evaluation_samples
LEFT JOIN (SELECT corpus AS run, doc_id, url FROM records) USING (run, doc_id)
ORDER BY run, doc_id
