-- What did each source bring, how much of it could not be read, and how much was kept?
SELECT corpus, fates.source, count(*) AS records, sum(bytes)::BIGINT AS bytes,
       count(*) FILTER (error IS NOT NULL) AS unreadable,
       count(*) FILTER (kept) AS kept, round(avg(kept::INTEGER), 4) AS kept_share, mode(rule ORDER BY rule) AS main_rule
FROM fates JOIN records USING (corpus, doc_id)
GROUP BY ALL
ORDER BY corpus, records DESC, fates.source
