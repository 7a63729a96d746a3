-- Which training documents cost the model far more than their source did at the time? (in bits per byte, over all their readings)
WITH known AS (
    SELECT doc_id, min(source) AS source, min(bytes / tokens) AS token_bytes FROM tokens GROUP BY doc_id
), readings AS (
    SELECT run, step, doc_id, source, losses.tokens, loss::DOUBLE * losses.tokens / ln(2) AS bits, losses.tokens * token_bytes AS bytes
    FROM document_losses AS losses JOIN known USING (doc_id)
), usual AS (
    SELECT run, source, step, sum(sum(bits)) OVER near / sum(sum(bytes)) OVER near AS usual
    FROM readings
    GROUP BY run, source, step
    WINDOW near AS (PARTITION BY run, source ORDER BY step RANGE BETWEEN 25 PRECEDING AND 25 FOLLOWING)
), ranked AS (
    SELECT run, source, doc_id, count(*) AS readings, sum(tokens)::BIGINT AS tokens, sum(bits) / sum(bytes) AS bits_per_byte,
           sum(bits - usual * bytes) / sum(bytes) AS above
    FROM readings JOIN usual USING (run, source, step)
    GROUP BY run, source, doc_id
    HAVING above > 0
    ORDER BY above DESC, run, doc_id
    LIMIT 1000
), pages AS (
    SELECT doc_id, min(url) AS url, min(left(text, 120)) AS text
    FROM texts JOIN (SELECT corpus, doc_id, url FROM records) USING (corpus, doc_id)
    WHERE doc_id IN (SELECT doc_id FROM ranked)
    GROUP BY doc_id
)
SELECT run, source, round(above, 4) AS above, round(bits_per_byte, 4) AS bits_per_byte, readings, tokens, url, text, doc_id
FROM ranked LEFT JOIN pages USING (doc_id)
ORDER BY ranked.above DESC, run, doc_id
