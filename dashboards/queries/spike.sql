-- Where did the loss jump above what was usual before, and which documents made it?
WITH levels AS (
    SELECT run, step, loss, median(loss) OVER (PARTITION BY run ORDER BY step ROWS BETWEEN 20 PRECEDING AND 1 PRECEDING) AS level,
           abs(loss - lag(loss) OVER (PARTITION BY run ORDER BY step)) AS change
    FROM steps
), spread AS (
    SELECT run, step, loss, min(level) OVER recent AS usual, 1.4826 / sqrt(2) * median(change) OVER recent AS sigma
    FROM levels
    WINDOW recent AS (PARTITION BY run ORDER BY step ROWS BETWEEN 200 PRECEDING AND CURRENT ROW)
), jumps AS (
    SELECT * FROM spread WHERE loss > usual + 4 * sigma
), named AS (
    SELECT run, step, doc_id, losses.loss::DOUBLE AS loss, jumps.loss AS step_loss, usual, tokens
    FROM document_losses AS losses JOIN jumps USING (run, step)
    WHERE losses.loss > usual
    ORDER BY step_loss - usual DESC, run, step, loss DESC, doc_id
    LIMIT 10000
), pages AS (
    SELECT doc_id, min(url) AS url, min(left(text, 120)) AS text
    FROM texts JOIN (SELECT corpus, doc_id, url FROM records) USING (corpus, doc_id)
    WHERE doc_id IN (SELECT doc_id FROM named)
    GROUP BY doc_id
)
SELECT run, step, round(step_loss, 4) AS step_loss, round(usual, 4) AS usual, round(loss, 4) AS loss, tokens, url, text, doc_id
FROM named LEFT JOIN pages USING (doc_id)
ORDER BY named.step_loss - named.usual DESC, run, step, named.loss DESC, doc_id
