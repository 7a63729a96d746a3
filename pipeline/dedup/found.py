"""What deduplication finds: a row for each document dropped, naming the kept one."""

from __future__ import annotations

import numpy.typing as npt
import pyarrow as pa

from pipeline import schema
from pipeline.dedup.precedence import DocIds, Rows

FOUND = pa.schema([schema.DUPLICATES.field(name) for name in ("doc_id", "duplicate_of", "similarity")])


def found(doc_ids: DocIds, dropped: Rows, kept: Rows, similarities: npt.ArrayLike) -> pa.Table:
    """A table of `FOUND`, from row numbers of `doc_ids`."""
    dropped_ids, kept_ids = (doc_ids.take(pa.array(rows)).cast(schema.DOC_ID) for rows in (dropped, kept))
    return pa.table([dropped_ids, kept_ids, pa.array(similarities, pa.float64())], schema=FOUND)
