-- How well does each run's model predict held-out text, all of it and part by part, beside n-gram models and compressors?
SELECT run, coalesce(split, 'all') AS split, coalesce(breakdown, 'all') AS breakdown, coalesce(part, 'all') AS part, name,
       round(value, 4) AS bits_per_byte, round(error, 4) AS error, documents, bytes, windows, few
FROM evaluation_scores AS scores
WHERE metric = 'bits_per_byte'
ORDER BY run, scores.split NULLS FIRST, scores.breakdown NULLS FIRST, scores.part, value, name
