-- Which documents were far harder than the others of their training step?
WITH chosen AS (
    SELECT run, step, doc_id, losses.loss::DOUBLE AS loss, steps.loss AS step_loss, losses.loss - steps.loss AS above, losses.tokens
    FROM document_losses AS losses JOIN steps USING (run, step)
    WHERE above > 0
    ORDER BY above DESC, run, step, doc_id
    LIMIT 50
), pages AS (
    SELECT doc_id, min(url) AS url, min(left(text, 120)) AS text
    FROM texts JOIN (SELECT corpus, doc_id, url FROM records) USING (corpus, doc_id)
    WHERE doc_id IN (SELECT doc_id FROM chosen)
    GROUP BY doc_id
)
SELECT run, step, round(loss, 4) AS loss, round(step_loss, 4) AS step_loss, tokens, url, text, doc_id
FROM chosen LEFT JOIN pages USING (doc_id)
ORDER BY above DESC, run, step, doc_id
