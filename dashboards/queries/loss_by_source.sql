-- What was the loss on each source, tenth by tenth of the training?
WITH tenths AS (
    SELECT run, step, ntile(10) OVER (PARTITION BY run ORDER BY step) AS tenth FROM steps
)
SELECT run, tenth, source, count(DISTINCT doc_id) AS documents, sum(losses.tokens)::BIGINT AS tokens,
       round(sum(losses.loss::DOUBLE * losses.tokens) / sum(losses.tokens), 4) AS loss
FROM document_losses AS losses
JOIN tenths USING (run, step)
JOIN (SELECT DISTINCT doc_id, source FROM fates) USING (doc_id)
GROUP BY ALL
ORDER BY run, tenth, source
