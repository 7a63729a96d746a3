-- Which documents did a training run read most of, and when?
WITH chosen AS (
    SELECT run, doc_id, count(DISTINCT step) AS steps, min(step) AS first_step, max(step) AS last_step, sum(length)::BIGINT AS tokens
    FROM step_documents
    GROUP BY ALL
    ORDER BY tokens DESC, run, doc_id
    LIMIT 50
), pages AS (
    SELECT doc_id, min(url) AS url FROM records WHERE doc_id IN (SELECT doc_id FROM chosen) GROUP BY doc_id
)
SELECT run, tokens, steps, first_step, last_step, url, doc_id
FROM chosen LEFT JOIN pages USING (doc_id)
ORDER BY tokens DESC, run, doc_id
