-- Which kept documents have the most copies, how does each begin, and which records were those?
WITH places AS (
    SELECT corpus, doc_id, coalesce(url, id, file || ' at ' || "offset") AS place FROM records
), clusters AS (
    SELECT corpus, duplicate_of, twin_corpus, count(*) AS copies,
           round(min(similarity), 4) AS least_similar, round(max(similarity), 4) AS most_similar,
           list_sort(list(place))[:3] AS examples
    FROM duplicates LEFT JOIN places USING (corpus, doc_id)
    GROUP BY ALL
    ORDER BY corpus, copies DESC, duplicate_of
    LIMIT 50
), twins AS (
    SELECT doc_id AS duplicate_of, min(place) AS kept FROM places
    WHERE doc_id IN (SELECT duplicate_of FROM clusters) GROUP BY doc_id
), beginnings AS (
    SELECT doc_id AS duplicate_of, min(left(regexp_replace(trim(left(text, 400), e' \t\r\n'), '\s+', ' ', 'g'), 100)) AS begins FROM texts
    WHERE doc_id IN (SELECT duplicate_of FROM clusters) GROUP BY doc_id
)
SELECT corpus, copies, kept, begins, examples, least_similar, most_similar, twin_corpus, duplicate_of
FROM clusters LEFT JOIN twins USING (duplicate_of) LEFT JOIN beginnings USING (duplicate_of)
ORDER BY corpus, copies DESC, duplicate_of
