-- Which lines, or runs of bytes, were cut most often, from which host's pages, and what did one of them look like?
WITH most AS (
    SELECT corpus, coalesce(host, '(none)') AS host, rule, line, count(*) AS cuts, count(DISTINCT doc_id) AS documents,
           sum("end" - start)::BIGINT AS bytes, max(pages) AS pages, min((doc_id, start, "end")) AS example
    FROM cuts JOIN records USING (corpus, doc_id)
    GROUP BY ALL
    ORDER BY corpus, cuts DESC, host, rule, line
    LIMIT 100
)
SELECT corpus, host, rule, cuts, documents, pages, bytes,
       substr(trim(decode(encode(text)[example[2] + 1:example[3]]), E' \t\r\n'), 1, 200) AS example
FROM (SELECT *, example[1] AS doc_id FROM most) JOIN texts USING (corpus, doc_id)
ORDER BY corpus, cuts DESC, host, rule, line
