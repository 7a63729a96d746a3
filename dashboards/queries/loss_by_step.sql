-- How did the loss fall, and at what speed? (in nats a token; `smooth` is the mean of the last 20 steps)
SELECT run, step, loss, round(avg(loss) OVER (of_run ROWS 19 PRECEDING), 4) AS smooth, learning_rate, gradient_norm,
       (sum(tokens) OVER of_run)::BIGINT AS tokens_so_far, round(tokens / nullif(seconds, 0)) AS tokens_per_second
FROM steps
WINDOW of_run AS (PARTITION BY run ORDER BY step)
ORDER BY run, step
