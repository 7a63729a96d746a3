-- Which training documents cost the model far more than their source did at the time? (nats a token, over all their readings)
WITH losses AS (
    SELECT run, step, doc_id, source, loss::DOUBLE AS loss, losses.tokens
    FROM document_losses AS losses JOIN (SELECT DISTINCT doc_id, source FROM tokens) USING (doc_id)
), usual AS (
    SELECT run, source, step, sum(sum(loss * tokens)) OVER near / sum(sum(tokens)) OVER near AS usual
    FROM losses
    GROUP BY run, source, step
    WINDOW near AS (PARTITION BY run, source ORDER BY step RANGE BETWEEN 25 PRECEDING AND 25 FOLLOWING)
), ranked AS (
    SELECT run, source, doc_id, count(*) AS readings, sum(tokens)::BIGINT AS tokens, sum(loss * tokens) / sum(tokens) AS loss,
           sum((loss - usual) * tokens) / sum(tokens) AS above
    FROM losses JOIN usual USING (run, source, step)
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
SELECT run, source, round(above, 4) AS above, round(loss, 4) AS loss, readings, tokens, url, text, doc_id
FROM ranked LEFT JOIN pages USING (doc_id)
ORDER BY ranked.above DESC, run, doc_id
