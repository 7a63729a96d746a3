-- How far from its bound were the values that a rule dropped: how many within a tenth of it?
SELECT corpus, rule, bound, count(*) AS dropped, round(median(value), 4) AS median_value,
       count(*) FILTER (abs(value - bound) <= abs(bound) / 10) AS within_a_tenth
FROM fates
WHERE value IS NOT NULL AND bound IS NOT NULL
GROUP BY ALL
ORDER BY corpus, within_a_tenth DESC, dropped DESC, rule, bound
