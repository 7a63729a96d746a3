-- Which documents, of which pages and sources, did each run read in the step at which its loss rose most?
WITH rises AS (
    SELECT run, step, loss - lag(loss) OVER (PARTITION BY run ORDER BY step) AS rise FROM steps
), chosen AS (
    SELECT run, step, rise FROM rises QUALIFY row_number() OVER (PARTITION BY run ORDER BY rise DESC NULLS LAST, step) = 1
)
SELECT run, step, round(rise, 4) AS rise, sequence, position, start, length, component, source, url, language_code AS language,
       round(losses.loss, 4) AS loss, doc_id
FROM trace JOIN chosen USING (run, step) LEFT JOIN document_losses AS losses USING (run, step, doc_id)
ORDER BY run, sequence, position
LIMIT 500
