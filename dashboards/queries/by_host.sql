-- Which hosts did the records come from, how many of each were kept, and what drops most of them?
SELECT corpus, coalesce(host, '(none)') AS host, count(*) AS records,
       count(*) FILTER (kept) AS kept, round(avg(kept::INTEGER), 4) AS kept_share, mode(rule ORDER BY rule) AS main_rule
FROM fates JOIN records USING (corpus, doc_id)
GROUP BY ALL
ORDER BY corpus, records DESC, host
LIMIT 200
