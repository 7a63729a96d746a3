-- How many records of each language came in and were kept, and what drops most of them?
SELECT corpus, coalesce(language_code, '(unknown)') AS language, count(*) AS records,
       count(*) FILTER (kept) AS kept, round(avg(kept::INTEGER), 4) AS kept_share, mode(rule ORDER BY rule) AS main_rule
FROM fates JOIN signals USING (corpus, doc_id)
GROUP BY ALL
ORDER BY corpus, records DESC, language
