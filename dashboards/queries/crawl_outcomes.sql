-- What became of every URL that each edition of a crawl saw?
SELECT crawl, edition, outcome, status, count(*) AS urls, sum(bytes)::BIGINT AS bytes, min(url) AS example
FROM crawl_log
GROUP BY ALL
ORDER BY crawl, edition, urls DESC, outcome, status
