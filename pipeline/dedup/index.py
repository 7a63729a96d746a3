"""What a finished corpus leaves for later ones: where its documents are found by their buckets and by their texts' digests.

Both are sorted and mapped into memory: to look something up costs in proportion to what is looked up. Rows are those of
`documents/`, through all its parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.dedup.exact import Digests
from pipeline.dedup.near import Keys
from pipeline.dedup.precedence import Rows
from pipeline.kernels.strings import Hashes
from pipeline.store import Manifest, Store, Version

_BANDS, _DIGESTS = "index/bands.arrow", "index/digests.arrow"
_BUCKETS = pa.schema([("key", pa.uint64()), ("row", pa.uint32())])  # a batch for each band, by key
_TEXTS = pa.schema([("high", pa.uint64()), ("low", pa.uint64()), ("row", pa.uint32())])


def write(version: Version, keys: Keys | None, digests: Digests, documents: Rows) -> None:
    """Leave the index of a corpus; `documents` has the row of each document there, or -1 where it was dropped."""
    kept = np.flatnonzero(documents >= 0)
    rows = documents[kept].astype(np.uint32)
    by_digest = np.lexsort((digests[kept, 1], digests[kept, 0]))
    with version.arrow(_DIGESTS, _TEXTS) as out:
        columns = (digests[kept, 0], digests[kept, 1], rows)
        out.write(pa.record_batch([pa.array(column[by_digest]) for column in columns], schema=_TEXTS))
    if keys is None:
        return
    kept, rows = kept[keys.worded[kept]], rows[keys.worded[kept]]
    with version.arrow(_BANDS, _BUCKETS) as out:
        for band in range(keys.bands):
            own = keys.band(band)[kept]
            by_key = np.argsort(own, kind="stable")
            out.write(pa.record_batch([pa.array(own[by_key]), pa.array(rows[by_key])], schema=_BUCKETS))


class Indexed:
    """A finished corpus, asked for what is like the documents of another."""

    def __init__(self, store: Store, place: str, manifest: Manifest) -> None:
        self.name = place.split("/")[1]
        self._store, self._place = store, place
        self._parts = [(part.path, part.rows or 0) for part in manifest.files if part.path.startswith("documents/")]
        self.size = sum(rows for _, rows in self._parts)
        self._bands = self._open(_BANDS) if any(part.path == _BANDS for part in manifest.files) else None
        self._digests = self._open(_DIGESTS).get_batch(0)

    def meeting(self, band: int, keys: Hashes) -> tuple[Hashes, Rows]:
        """What it has in the buckets of a band with these keys, ascending: the key and the row of each."""
        assert self._bands is not None
        held = self._bands.get_batch(band)
        buckets, rows = held["key"].to_numpy(), held["row"].to_numpy()
        places = _ranges(np.searchsorted(buckets, keys, "left"), np.searchsorted(buckets, keys, "right"))
        return buckets[places], rows[places].astype(np.int64)

    def copies(self, digests: Digests) -> Rows:
        """For each digest the first row of the corpus that has it, or -1."""
        high, low, rows = (self._digests[name].to_numpy() for name in _TEXTS.names)
        starts, ends = np.searchsorted(high, digests[:, 0], "left"), np.searchsorted(high, digests[:, 0], "right")
        found = np.full(len(digests), -1, np.int64)
        for asked in np.flatnonzero(ends > starts):
            same = np.flatnonzero(low[starts[asked] : ends[asked]] == digests[asked, 1])
            if len(same):
                found[asked] = rows[starts[asked] + same].min()
        return found

    def texts(self, rows: Rows) -> pa.ChunkedArray:
        """The texts of some of its rows, ascending."""
        return self._column("text", pa.string(), rows)

    def doc_ids(self, rows: Rows) -> pa.ChunkedArray:
        """The ids of some of its rows, ascending: their 16 bytes."""
        return self._column("doc_id", pa.binary(16), rows)

    def _column(self, name: str, kind: pa.DataType, rows: Rows) -> pa.ChunkedArray:
        found = [pa.array([], kind)]
        for part, own in _dealt(rows, [count for _, count in self._parts]):
            with self._store.open(f"{self._place}/{self._parts[part][0]}") as stream:
                found += _some(pq.ParquetFile(stream), name, own)
        return pa.chunked_array(found, kind)

    def _open(self, name: str) -> pa.RecordBatchFileReader:
        path = f"{self._place}/{name}"
        return pa.ipc.open_file(pa.memory_map(self._store.path(path)) if self._store.local else self._store.read(path))


def _some(file: pq.ParquetFile, name: str, rows: Rows) -> list[pa.Array]:
    """A column's values in some rows, of the row groups that have any."""
    found, groups = [], range(file.metadata.num_row_groups)
    for group, own in _dealt(rows, [file.metadata.row_group(group).num_rows for group in groups]):
        values = file.read_row_group(group, [name])[name].take(pa.array(own)).combine_chunks()
        found.append(values.storage if isinstance(values, pa.ExtensionArray) else values)
    return found


def _dealt(rows: Rows, sizes: Sequence[int]) -> Iterator[tuple[int, Rows]]:
    """The pieces, one after another of these sizes, that have any of the rows, and those rows within each."""
    first = 0
    for number, size in enumerate(sizes):
        own = rows[(rows >= first) & (rows < first + size)] - first
        if len(own):
            yield number, own
        first += size


def _ranges(starts: npt.NDArray[np.intp], ends: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
    """All numbers from each start up to its end."""
    sizes = ends - starts
    return np.repeat(starts - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes) + np.arange(sizes.sum()) if len(sizes) else sizes
