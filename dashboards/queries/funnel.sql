-- How many records came in, how many did each step take away, and how many were kept?
WITH dropped AS (
    SELECT corpus, step AS stage, count(*) AS dropped FROM fates WHERE NOT kept GROUP BY ALL
), stages AS (
    SELECT corpus, 0 AS place, 'records' AS stage, 0 AS dropped FROM fates GROUP BY corpus
    UNION ALL BY NAME
    SELECT corpus, stage, dropped,
           CASE WHEN stage = 'ingest' THEN 1
                WHEN position IS NOT NULL THEN 1 + position
                ELSE 1000 + coalesce(list_position(['host_lines', 'lines', 'substrings', 'exact', 'near', 'split'], stage), 9) END AS place
    FROM dropped LEFT JOIN (SELECT corpus, step AS stage, position FROM recipe_steps) USING (corpus, stage)
    UNION ALL BY NAME
    SELECT corpus, 2000 AS place, 'kept' AS stage, 0 AS dropped FROM fates GROUP BY corpus
)
SELECT corpus, stage, dropped,
       (records - sum(dropped) OVER (PARTITION BY corpus ORDER BY place, stage))::BIGINT AS "left",
       round("left" / records, 4) AS share
FROM stages JOIN (SELECT corpus, count(*) AS records FROM fates GROUP BY corpus) USING (corpus)
ORDER BY corpus, place, stage
