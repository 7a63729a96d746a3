-- How many records does each rule drop: as the first it broke, at all, and as the only one?
WITH fallen AS (
    SELECT corpus, rule AS first_rule, list_distinct(list_append(broken, rule)) AS rules FROM fates WHERE NOT kept
), breaks AS (
    SELECT corpus, first_rule, len(rules) AS count, unnest(rules) AS rule FROM fallen
)
SELECT corpus, rule,
       count(*) FILTER (rule = first_rule) AS "first",
       count(*) AS "any",
       count(*) FILTER (count = 1) AS alone,
       round("first" / any_value(records), 4) AS first_share
FROM breaks JOIN (SELECT corpus, count(*) AS records FROM fates GROUP BY corpus) USING (corpus)
GROUP BY corpus, rule
ORDER BY corpus, "first" DESC, "any" DESC, rule
