"""What other bounds would keep: for the rules that drop most, the documents left against the bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from dashboards.signals import span
from pipeline import whatif
from pipeline.store import Store

LIMITS = 25  # in a curve

# Every limit for all languages, those that drop most first.
_RULES = """
WITH drops AS (SELECT corpus, rule, count(*) AS dropped FROM fates WHERE NOT kept GROUP BY ALL)
SELECT corpus, step, signal, kind, bound, rule, dropped
FROM (SELECT *, concat_ws('.', step, signal, kind) AS rule FROM bounds) JOIN drops USING (corpus, rule)
WHERE kind IN ('min', 'max') AND coalesce(language, '') = '' ORDER BY dropped DESC, corpus, rule LIMIT ?
"""


@dataclass(frozen=True)
class Outlook:
    """What a corpus would keep before deduplication. `curve`: `limit`, and `documents` within all bounds with that one."""

    corpus: str
    rule: str
    bound: float
    dropped: int
    curve: pa.Table


def outlooks(store: Store, connection: duckdb.DuckDBPyConnection, most: int) -> Iterator[Outlook]:
    """At most so many, of the rules that drop most records."""
    for row in connection.sql(_RULES, params=[most]).to_arrow_table().to_pylist():
        asked = whatif.Rule(row["step"], row["signal"], row["kind"])
        found = span(connection, row["corpus"], asked.column)
        if found:
            name = f"corpora/{row['corpus']}"
            limits = _limits(found.low, found.high, row["bound"], found.whole)
            counted = (
                whatif.sweep(store, f"{name}/{store.current(name)}", asked, limits).group_by("limit").aggregate([("documents", "sum")])
            )
            curve = pa.table({"limit": counted["limit"], "documents": counted["documents_sum"]}).sort_by("limit")
            yield Outlook(row["corpus"], row["rule"], row["bound"], row["dropped"], curve)


def _limits(low: float, high: float, bound: float, whole: bool) -> list[float]:
    """Limits over the values, about the bound where it lies far from them, and the bound itself."""
    reach = (high - low) or abs(bound) or 1.0
    limits = np.linspace(min(low, max(bound, low - reach)), max(high, min(bound, high + reach)), LIMITS)
    return sorted({float(limit) for limit in (np.round(limits) if whole else limits)} | {float(bound)})
