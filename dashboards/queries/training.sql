-- How long did each training run take, over how many tokens, and where did its loss end?
SELECT run, count(*) AS steps, sum(tokens)::BIGINT AS tokens, round(sum(seconds), 1) AS seconds,
       round(sum(tokens) / sum(seconds)) AS tokens_per_second, max(attempt) AS restarts,
       round(arg_min(loss, step), 4) AS first_loss, round(arg_max(loss, step), 4) AS last_loss
FROM steps
GROUP BY run
ORDER BY run
