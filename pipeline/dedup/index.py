"""What a finished corpus leaves for later ones: where its documents are found by their buckets and by their texts' digests,
and the shingles of those that it holds out.

The first two are sorted, and all are mapped into memory: to look something up costs in proportion to what is looked up. Rows
are those of `documents/`, through all its parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.dedup.config import Same
from pipeline.dedup.containment import HeldOut
from pipeline.dedup.exact import Digests
from pipeline.dedup.near import Keys
from pipeline.dedup.precedence import Rows
from pipeline.dedup.same import Marks
from pipeline.kernels.strings import Hashes
from pipeline.store import Manifest, Store, Version

_BANDS, _HELD_OUT = "index/bands.arrow", "index/held_out_shingles.arrow"
_BUCKETS = pa.schema([("key", pa.uint64()), ("row", pa.uint32())])  # a batch for each band, by key
_SHINGLES = pa.schema([("row", pa.uint32()), ("shingles", pa.large_list(pa.uint64()))])  # by `doc_id`
_DIGESTS = pa.schema([("high", pa.uint64()), ("low", pa.uint64()), ("row", pa.uint32())])


def write(version: Version, marks: Mapping[Same, Marks], near: Keys | None, held_out: HeldOut, rows: Rows) -> None:
    """Leave the index of a corpus; `rows` has the row of each document there, or -1 where it was dropped.

    `near` are all documents' buckets as near-duplicates, where they were sought.
    """
    kept = rows >= 0
    for same, (digests, known) in marks.items():
        own = np.flatnonzero(kept & known)
        columns = (digests[own, 0], digests[own, 1], rows[own].astype(np.uint32))
        by_digest = np.lexsort(columns[::-1])
        with version.arrow(_digests(same), _DIGESTS) as out:
            out.write(pa.record_batch([pa.array(column[by_digest]) for column in columns], schema=_DIGESTS))
    if near:
        _write_buckets(version, near, np.flatnonzero(kept & near.worded), rows)
    with version.arrow(_HELD_OUT, _SHINGLES) as out:
        out.write(pa.record_batch([pa.array(rows[held_out.rows].astype(np.uint32)), held_out.sets], schema=_SHINGLES))


def _write_buckets(version: Version, keys: Keys, own: Rows, documents: Rows) -> None:
    rows = documents[own].astype(np.uint32)
    with version.arrow(_BANDS, _BUCKETS) as out:
        for band in range(keys.bands):
            buckets = keys.band(band)[own]
            by_key = np.argsort(buckets, kind="stable")
            out.write(pa.record_batch([pa.array(buckets[by_key]), pa.array(rows[by_key])], schema=_BUCKETS))


def _digests(same: Same) -> str:
    """The file in which documents are found by what they are the same in."""
    return f"index/{same}.arrow"


class Indexed:
    """A finished corpus, asked for what is like the documents of another."""

    def __init__(self, store: Store, place: str, manifest: Manifest) -> None:
        self.name = place.split("/")[1]
        self._store, self._place = store, place
        self._parts = [(part.path, part.rows or 0) for part in manifest.files if part.path.startswith("documents/")]
        self.size = sum(rows for _, rows in self._parts)
        self._index = {part.path: self._open(part.path) for part in manifest.files if part.path.startswith("index/")}

    @property
    def complete(self) -> bool:
        """Whether it can be asked for what it holds out, which corpora of an earlier version cannot."""
        return _HELD_OUT in self._index

    @property
    def held_out(self) -> HeldOut:
        """What of it training text must not be like."""
        held = self._index[_HELD_OUT].get_batch(0)
        return HeldOut(held["row"].to_numpy().astype(np.int64), held["shingles"])

    def knows(self, same: Same) -> bool:
        """Whether its documents can be asked for by that."""
        return _digests(same) in self._index

    def meeting(self, band: int, keys: Hashes) -> tuple[Hashes, Rows]:
        """What it has in the buckets of a band with these keys, ascending: the key and the row of each."""
        held = self._index[_BANDS].get_batch(band)
        buckets, rows = held["key"].to_numpy(), held["row"].to_numpy()
        places = _ranges(np.searchsorted(buckets, keys, "left"), np.searchsorted(buckets, keys, "right"))
        return buckets[places], rows[places].astype(np.int64)

    def copies(self, same: Same, digests: Digests) -> Rows:
        """For each digest the first row of the corpus that has it, or -1."""
        held = self._index[_digests(same)].get_batch(0)
        high, low, rows = (held[name].to_numpy() for name in _DIGESTS.names)
        by_digest = np.lexsort((digests[:, 1], digests[:, 0]))  # what is looked up in order is found in memory that is at hand
        asked = digests[by_digest]
        places = _first(low, asked[:, 1], np.searchsorted(high, asked[:, 0], "left"), np.searchsorted(high, asked[:, 0], "right"))
        found = np.full(len(digests), -1, np.int64)
        found[by_digest[places >= 0]] = rows[places[places >= 0]]
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


def _first(held: Hashes, asked: Hashes, starts: npt.NDArray[np.intp], ends: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """For each value the first place of it from its start up to its end, where `held` ascends; or -1. All are halved at once."""
    low, high = starts.copy(), ends.copy()
    while len(halved := np.flatnonzero(low < high)):
        middle = (low[halved] + high[halved]) // 2
        less = held[middle] < asked[halved]
        low[halved[less]], high[halved[~less]] = middle[less] + 1, middle[~less]
    there = np.flatnonzero(low < ends)
    places = np.full(len(asked), -1, np.int64)
    places[there] = np.where(held[low[there]] == asked[there], low[there], -1)
    return places


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
