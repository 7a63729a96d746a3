"""Lines that documents share, found among a host's pages or in the whole corpus, and cut: collect, merge, apply.

CCNet (Wenzek et al. 2020, section 3) takes out the paragraphs of a shard that stand more than once in a number of shards, by its
code the first of them too. FineWeb (Penedo et al. 2024) took out repeated lines over a whole crawl and found models no better for
it, so nothing is cut unless a recipe says so; what repeats on a host's own pages is another matter, its menus and footers.

Collecting writes the keys of each shard's lines to a spill file, in order. Merging goes through all spill files by ranges of
keys, so that it holds some millions of lines at a time, and what is kept of it are the lines to cut. None of it
depends on the order of documents or on which shard they are in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.dedup.config import DedupConfig
from pipeline.dedup.cuts import Marks, Spans, spans
from pipeline.dedup.line_keys import NO_KEY, LineKeys, line_keys
from pipeline.dedup.precedence import Rows
from pipeline.dedup.repeated import Documents, Repeated, Scope, look_up, merge, spill
from pipeline.kernels import kernel
from pipeline.kernels.strings import Counts, Hashes, combine

VERSION = 1
USES = ()


class Part(NamedTuple):
    """Some documents, numbered from `first` on, and how to read their texts in that order, a bounded number at a time."""

    first: int
    read: Callable[[], Iterable[pa.Array]]


class Cut(NamedTuple):
    """What is cut from some texts. `by` tells which of the scopes; a row's `emptied_by` is -1 where something is left of it."""

    spans: Spans
    by: npt.NDArray[np.int64]  # (spans,)
    keys: Hashes  # (spans,): of the lines, whatever the host
    pages: Counts  # (spans,)
    emptied_by: npt.NDArray[np.int64]  # (rows,)


def scopes(config: DedupConfig) -> list[Scope]:
    """What a recipe asks for, in the order in which it is done."""
    asked = (("host_lines", True, config.host_lines), ("lines", False, config.lines))
    return [Scope(name, by_host, settings) for name, by_host, settings in asked if settings]


def find(wanted: Sequence[Scope], parts: Sequence[Part], documents: Documents) -> list[Repeated]:
    """The lines to cut. Each scope sees what the ones before it leave."""
    found: list[Repeated] = []
    for scope in wanted:
        with TemporaryDirectory(prefix="corpusmill-lines-") as folder:
            places = [Path(folder) / f"{number}.npy" for number in range(len(parts))]
            texts = np.zeros(len(documents.ranks), np.uint64)
            for part, place in zip(parts, places, strict=True):
                _collect(scope, part, documents.hosts, found, texts, place)
            found.append(merge(scope, documents, texts, places))
    return found


def cut(texts: pa.Array, first: int, found: Sequence[Repeated]) -> Cut:
    """What is cut from the texts of the documents from number `first` on."""
    lined = line_keys(texts)
    by, pages = _marks(lined, first, found)
    marks = (by >= 0).astype(np.uint8)
    marked = np.flatnonzero(marks)
    return Cut(spans(texts, lined.table, marks), by[marked], lined.keys[marked], pages[marked], _emptied(lined, by, len(found)))


def _collect(scope: Scope, part: Part, hosts: Hashes, earlier: Sequence[Repeated], texts: Hashes, place: Path) -> None:
    """Spill the keys of the lines of a part, each once a document; and tell in `texts` which documents have the same lines."""
    keys, numbers = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    first = part.first
    for batch in part.read():
        lined = line_keys(batch)
        gone = (_marks(lined, first, earlier)[0] >= 0).astype(np.uint8)
        _same_text(lined.table.row_offsets, lined.keys, gone, texts[first : first + len(batch)])
        scoped = _scoped(scope, lined, hosts, first)
        wanted = (scoped != NO_KEY) & (gone == 0) & (lined.chars >= scope.config.min_chars)
        keys.append(scoped[wanted])
        numbers.append(first + _rows(lined)[wanted])
        first += len(batch)
    spill(place, np.concatenate(keys), np.concatenate(numbers))


def _rows(lined: LineKeys) -> Rows:
    """The row of each line."""
    return np.repeat(np.arange(len(lined.table.row_offsets) - 1), np.diff(lined.table.row_offsets))


@kernel
def _same_text(row_offsets: Counts, keys: Hashes, gone: Marks, out: Hashes) -> None:
    for row in range(len(out)):
        state = np.uint64(0)
        for line in range(row_offsets[row], row_offsets[row + 1]):
            if keys[line] != NO_KEY and not gone[line]:
                state = combine(state, keys[line])
        out[row] = state


@kernel
def _of_hosts(row_offsets: Counts, keys: Hashes, hosts: Hashes, out: Hashes) -> None:
    for row in range(len(hosts)):
        for line in range(row_offsets[row], row_offsets[row + 1]):
            known = hosts[row] != 0 and keys[line] != NO_KEY
            out[line] = max(combine(hosts[row], keys[line]), np.uint64(1)) if known else NO_KEY


def _scoped(scope: Scope, lined: LineKeys, hosts: Hashes, first: int) -> Hashes:
    """The key of each line within the scope: where that is the host, lines of two hosts are two."""
    if not scope.by_host:
        return lined.keys
    out = np.empty(len(lined.keys), np.uint64)
    row_offsets = lined.table.row_offsets
    _of_hosts(row_offsets, lined.keys, hosts[first : first + len(row_offsets) - 1], out)
    return out


def _marks(lined: LineKeys, first: int, found: Sequence[Repeated]) -> tuple[npt.NDArray[np.int64], Counts]:
    """Which of the scopes cuts each line, or -1, and on how many pages it stands."""
    by, pages = np.full(len(lined.keys), -1), np.zeros(len(lined.keys), np.int64)
    numbers = first + _rows(lined)
    for number, each in enumerate(found):
        place = look_up(each, _scoped(each.scope, lined, each.hosts, first))
        line = np.flatnonzero((place >= 0) & (by < 0))
        line = line[each.keepers[place[line]] != each.groups[numbers[line]]]
        by[line], pages[line] = number, each.pages[place[line]]
    return by, pages


def _emptied(lined: LineKeys, by: npt.NDArray[np.int64], scopes: int) -> npt.NDArray[np.int64]:
    """By row, the scope that cut the last of the lines that have a letter or digit; -1 where one is left, or none was there."""
    keyed = lined.keys != NO_KEY
    latest = np.full(len(lined.table.row_offsets) - 1, -1)
    np.maximum.at(latest, _rows(lined)[keyed], np.where(by < 0, scopes, by)[keyed])
    return np.where(latest == scopes, -1, latest)
