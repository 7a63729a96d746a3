"""How each bounded signal is distributed, against its bounds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import duckdb
import pyarrow as pa

BINS = 40

# Every signal with a numeric bound, those that drop most first.
_BOUNDED = """
WITH drops AS (
    SELECT corpus, rule, count(*) AS dropped FROM fates WHERE NOT kept GROUP BY ALL
), rules AS (
    SELECT corpus, step, signal, concat_ws('.', step, signal, kind) AS rule, kind, list(DISTINCT bound) AS limits FROM bounds GROUP BY ALL
)
SELECT corpus, concat(step, '.', signal) AS signal, concat(step, '_', signal) AS column_name, list_sort(list(rule)) AS rules,
       list_sort(list_distinct(flatten(list(limits)))) AS limits, coalesce(sum(dropped), 0)::BIGINT AS dropped
FROM rules LEFT JOIN drops USING (corpus, rule)
WHERE concat(step, '_', signal) IN (SELECT column_name FROM (DESCRIBE signals))
GROUP BY corpus, step, signal
ORDER BY dropped DESC, corpus, signal
"""

# Where nearly all the values lie: a few wild ones would press the rest into one bar.
_RANGE = """
SELECT quantile_cont(x, 0.005) AS low, quantile_cont(x, 0.995) AS high, typeof(any_value(raw)) NOT IN ('DOUBLE', 'FLOAT') AS whole
FROM (SELECT {column} AS raw, {column}::DOUBLE AS x FROM signals WHERE corpus = $corpus) WHERE isfinite(x)
"""

_COUNTS = """
SELECT greatest(0, least($bins - 1, floor((x - $low) / $width)))::INTEGER AS bin,
       count(*) FILTER (NOT broke) AS passed, count(*) FILTER (broke) AS broke
FROM (
    SELECT {column}::DOUBLE AS x, len(list_intersect(broken, $rules)) > 0 AS broke
    FROM signals JOIN fates USING (corpus, doc_id) WHERE corpus = $corpus
) WHERE isfinite(x) GROUP BY bin ORDER BY bin
"""


@dataclass(frozen=True)
class Histogram:
    """The values of one signal in one corpus. `bins`: low, high, and how many records `passed` and `broke` its bounds there."""

    corpus: str
    signal: str
    limits: list[float]
    dropped: int
    bins: pa.Table


def histograms(connection: duckdb.DuckDBPyConnection, most: int) -> Iterator[Histogram]:
    """At most so many, of the signals whose bounds drop most records. The outer bins hold what lies beyond them."""
    for row in connection.sql(_BOUNDED).to_arrow_table().slice(0, most).to_pylist():
        found = span(connection, row["corpus"], row["column_name"])
        if found:
            low, width, count = _bins(*found, row["limits"])
            given = {"corpus": row["corpus"], "rules": row["rules"], "low": low, "width": width, "bins": count}
            counts = connection.sql(_COUNTS.format(column=_quoted(row["column_name"])), params=given).to_arrow_table()
            starts = [low + width * number for number in counts["bin"].to_pylist()]
            edges = {"low": pa.array(starts, pa.float64()), "high": pa.array([start + width for start in starts], pa.float64())}
            bins = pa.table({**edges, "passed": counts["passed"], "broke": counts["broke"]})
            yield Histogram(row["corpus"], row["signal"], row["limits"], row["dropped"], bins)


class Span(NamedTuple):
    """Where nearly all of a signal's values lie, and whether they are whole numbers."""

    low: float
    high: float
    whole: bool


def span(connection: duckdb.DuckDBPyConnection, corpus: str, column: str) -> Span | None:
    """Where a signal's values lie in a corpus; None where there is none."""
    (row,) = connection.sql(_RANGE.format(column=_quoted(column)), params={"corpus": corpus}).fetchall()
    return Span(*row) if row[0] is not None else None


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _bins(low: float, high: float, whole: bool, limits: list[float]) -> tuple[float, float, int]:
    """Start, width and number of bins over the values, and over those bounds that lie not too far from them."""
    reach = (high - low) or abs(high) or 1.0
    near = [limit for limit in limits if low - reach <= limit <= high + reach]
    low, high = min([low, *near]), max([high, *near])
    if whole:
        width = float(math.ceil((high - low + 1) / BINS))
        return math.floor(low) - 0.5, width, math.ceil((high - math.floor(low) + 1) / width)
    width = (high - low) / BINS or 1.0
    return low, width, BINS
