-- Which steps of a training saw pages of which hosts, and how many of their tokens?
SELECT run, coalesce(host, '(none)') AS host, count(DISTINCT doc_id) AS documents, count(DISTINCT step) AS steps,
       min(step) AS first_step, max(step) AS last_step, sum(length)::BIGINT AS tokens
FROM trace
GROUP BY ALL
ORDER BY run, tokens DESC, host
LIMIT 200
