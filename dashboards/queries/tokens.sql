-- How many tokens does each source give to each split, and how many bytes of text is a token?
SELECT token_set, source, split, count(*) AS documents, sum(tokens)::BIGINT AS tokens, sum(bytes)::BIGINT AS bytes,
       round(sum(bytes) / sum(tokens), 3) AS bytes_per_token
FROM tokens
GROUP BY token_set, source, split
ORDER BY token_set, source, split = 'test', split = 'validation'
