-- Which records could not be read or worked on, and why?
SELECT corpus, error_step AS step, signals.error AS kind, count(*) AS records,
       min(signals.error_detail) AS detail, min(url) AS example
FROM signals JOIN records USING (corpus, doc_id)
WHERE error_step IS NOT NULL
GROUP BY ALL
ORDER BY corpus, records DESC, step, kind
