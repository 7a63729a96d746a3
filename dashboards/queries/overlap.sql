-- Which rules drop the same records: how much of a rule's work would another one do?
WITH fallen AS (
    SELECT corpus, doc_id, list_distinct(list_append(broken, rule)) AS rules FROM fates WHERE NOT kept
), pairs AS (
    SELECT corpus, rule, unnest(rules) AS other FROM (SELECT corpus, rules, unnest(rules) AS rule FROM fallen)
)
SELECT corpus, rule, other, count(*) AS "both", any_value(records) AS records, round("both" / any_value(records), 4) AS share
FROM pairs
JOIN (SELECT corpus, rule, count(*) AS records FROM pairs WHERE rule = other GROUP BY ALL) USING (corpus, rule)
WHERE rule <> other
GROUP BY corpus, rule, other
ORDER BY corpus, share DESC, "both" DESC, rule, other
LIMIT 200
