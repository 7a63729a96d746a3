-- Which hosts did each edition of a crawl visit, and how many of their URLs did it fetch?
SELECT crawl, edition, host, count(*) AS urls, count(*) FILTER (outcome = 'fetched') AS fetched,
       count(*) FILTER (outcome = 'robots') AS robots, sum(bytes) FILTER (outcome = 'fetched')::BIGINT AS bytes, max(depth) AS depth
FROM crawl_log
GROUP BY ALL
ORDER BY crawl, edition, urls DESC, host
LIMIT 200
