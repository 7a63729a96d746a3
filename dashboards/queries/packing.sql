-- How much of each packing plan is padding, and how many documents does it cut, beside concatenate-and-split?
WITH plans AS (
    SELECT fingerprint AS plan, spec::JSON AS spec, counts::JSON AS counts FROM versions WHERE kind = 'order'
)
SELECT plan, (spec ->> '$.epoch')::BIGINT AS epoch, spec ->> '$.config.packing' AS packing,
       (spec ->> '$.config.sequence_tokens')::BIGINT AS sequence_tokens, (counts ->> '$.sequences')::BIGINT AS sequences,
       (counts ->> '$.tokens')::BIGINT AS tokens,
       round((counts ->> '$.padding_tokens')::BIGINT / (sequences * sequence_tokens), 6) AS padding_share,
       round((counts ->> '$.documents_cut')::BIGINT / (counts ->> '$.placed')::BIGINT, 4) AS cut_share,
       round((counts ->> '$.documents_cut_concatenated')::BIGINT / (counts ->> '$.placed')::BIGINT, 4) AS cut_share_concatenated
FROM plans
ORDER BY plan
