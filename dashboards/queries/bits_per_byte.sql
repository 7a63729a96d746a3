-- How well does each run's model predict held-out text, beside a unigram model and compressors? (in bits per byte)
SELECT run, coalesce(split, 'all') AS split, coalesce(source, 'all') AS source, name,
       round(value, 4) AS bits_per_byte, round(error, 4) AS error, documents, bytes
FROM evaluation_scores AS scores
WHERE metric = 'bits_per_byte'
ORDER BY run, scores.split NULLS FIRST, scores.source NULLS FIRST, value, name
