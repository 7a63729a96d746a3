-- What does each packing plan take of each component: the share asked for beside the one that stands there, and what runs have read?
WITH taken AS (
    SELECT plan, component, sum(length)::BIGINT AS taken, count(DISTINCT doc_id) AS documents_taken FROM orders GROUP BY ALL
), read AS (
    SELECT plan, component, sum(length)::BIGINT AS read FROM step_documents GROUP BY ALL
)
SELECT plan, component, documents, tokens, round(share, 4) AS share_asked, target, coalesce(documents_taken, 0) AS documents_taken,
       coalesce(taken, 0) AS taken, round(coalesce(taken, 0) / sum(taken) OVER (PARTITION BY plan), 4) AS share_taken,
       round(coalesce(taken, 0) / tokens, 4) AS epochs, capped, coalesce(read, 0) AS read
FROM mixtures LEFT JOIN taken USING (plan, component) LEFT JOIN read USING (plan, component)
ORDER BY plan, component
