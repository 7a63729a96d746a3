-- Which held-out documents does a model predict worst, and how do the baselines fare on them? (in bits per byte)
WITH chosen AS (
    SELECT run, doc_id, split, source, tokens, bytes, nats / ln(2) / bytes AS model, unigram_nats / ln(2) / bytes AS unigram,
           8 * gzip_bytes / bytes AS gzip
    FROM evaluation_documents
    WHERE bytes > 0
    ORDER BY model DESC, run, doc_id
    LIMIT 50
), pages AS (
    SELECT doc_id, min(url) AS url, min(left(text, 120)) AS text FROM documents WHERE doc_id IN (SELECT doc_id FROM chosen) GROUP BY doc_id
)
SELECT run, split, source, round(model, 3) AS model, round(unigram, 3) AS unigram, round(gzip, 3) AS gzip, tokens, url, text, doc_id
FROM chosen LEFT JOIN pages USING (doc_id)
ORDER BY chosen.model DESC, run, doc_id
