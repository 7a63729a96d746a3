-- What became of every URL that a crawl saw?
SELECT crawl, outcome, status, count(*) AS urls, sum(bytes)::BIGINT AS bytes, min(url) AS example
FROM crawl_log
GROUP BY ALL
ORDER BY crawl, urls DESC, outcome, status
