"""Which lines are repeated: spilled keys, a file for each part of a corpus, merged by ranges of keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.dedup.config import HostLinesConfig, LinesConfig
from pipeline.dedup.precedence import Rows
from pipeline.dedup.spilling import runs
from pipeline.kernels import kernel
from pipeline.kernels.strings import Counts, Hashes

_LINES_AT_ONCE = 1 << 22  # that are merged; some hundred megabytes

Flags = npt.NDArray[np.bool_]


class Scope(NamedTuple):
    """Among which documents a line is looked for, and by which settings."""

    name: str
    by_host: bool
    config: HostLinesConfig | LinesConfig


class Documents(NamedTuple):
    """What is known of each document of a corpus but its text, by its number."""

    hosts: Hashes  # 0 where there is none
    urls: Hashes  # the same
    ranks: Rows  # its place in the order in which documents are kept, 0 the first


class Repeated(NamedTuple):
    """The lines that a scope cuts, in ascending order of their keys."""

    scope: Scope
    hosts: Hashes  # by document
    groups: Rows  # by document, the first one of the same text
    keys: Hashes
    pages: Counts  # that the line stands on
    keepers: Rows  # the group that keeps the line, or -1
    buckets: Counts  # (2 ** bits + 1,): where the keys begin whose highest bits are the bucket's number


def spill(place: Path, keys: Hashes, numbers: Rows) -> None:
    """Write the keys of the lines of a part, each once a document; `numbers` are the documents', ascending."""
    order = np.argsort(keys, kind="stable")  # of one key, documents stay in their order
    keys, numbers = keys[order], numbers[order]
    again = (keys[1:] == keys[:-1]) & (numbers[1:] == numbers[:-1])
    once = np.concatenate([np.ones(min(1, len(keys)), np.bool_), ~again])
    np.save(place, np.stack([keys[once], numbers[once].astype(np.uint64)]))


def merge(scope: Scope, documents: Documents, texts: Hashes, places: Sequence[Path]) -> Repeated:
    """The lines that stand on enough pages. `texts` is equal for documents of the same lines; `places` are files of `spill`."""
    hosts = documents.hosts if scope.by_host else np.zeros(len(texts), np.uint64)
    groups = firsts(documents.ranks, texts, hosts)
    counted = _counted(scope, documents, texts)
    pages = np.zeros(len(texts), np.int64)  # of each document's host, or in all
    _, host, times = np.unique(hosts[counted], return_inverse=True, return_counts=True)
    pages[counted] = times[host]
    kept = [(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64))]
    for keys, numbers in _runs(places, counted):
        starts = np.flatnonzero(np.concatenate([np.ones(min(1, len(keys)), np.bool_), keys[1:] != keys[:-1]]))
        count = np.diff(starts, append=len(keys))
        often = (count >= scope.config.min_pages) & (count / pages[numbers[starts]] >= scope.config.min_share)
        first = np.minimum.reduceat(documents.ranks[numbers], starts) if len(starts) else starts
        kept.append((keys[starts[often]], count[often], first[often]))
    every, count, first = (np.concatenate(column) for column in zip(*kept, strict=True))
    return _indexed(scope, hosts, groups, every, count, groups[np.argsort(documents.ranks)[first]])


def _runs(places: Sequence[Path], counted: Flags) -> Iterator[tuple[Hashes, Rows]]:
    """What was spilled of documents that count, in ascending order of keys, a range of them at a time."""
    for keys, numbers in runs(places, 2, _LINES_AT_ONCE):
        counts = counted[numbers.astype(np.int64)]
        yield keys[counts], numbers[counts].astype(np.int64)


def _counted(scope: Scope, documents: Documents, texts: Hashes) -> Flags:
    """The documents that count as pages: of one URL of a host, and then of one text, the first alone."""
    number = np.arange(len(texts))
    if not scope.by_host:
        return firsts(documents.ranks, texts) == number
    counted = (documents.urls == 0) | (firsts(documents.ranks, documents.urls, documents.hosts) == number)
    counted &= documents.hosts != 0
    among = np.flatnonzero(counted)
    counted[among] = firsts(documents.ranks[among], texts[among], documents.hosts[among]) == np.arange(len(among))
    return counted


def firsts(ranks: Rows, *same: Hashes) -> Rows:
    """For each document the number of the first, by rank, that is equal to it in all of `same`."""
    order = np.lexsort((ranks, *same))
    new = np.ones(len(order), np.bool_)
    new[1:] = np.any([each[order][1:] != each[order][:-1] for each in same], axis=0)
    firsts: Rows = np.empty(len(order), np.int64)
    firsts[order] = order[np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))]
    return firsts


def _indexed(scope: Scope, hosts: Hashes, groups: Rows, keys: Hashes, pages: Counts, keepers: Rows) -> Repeated:
    bits = max(1, len(keys).bit_length())
    edges = np.arange(1 << bits, dtype=np.uint64) << np.uint64(64 - bits)
    buckets = np.append(np.searchsorted(keys, edges), len(keys))
    return Repeated(scope, hosts, groups, keys, pages, keepers if scope.config.keep_first else np.full(len(keys), -1), buckets)


@kernel
def _find(keys: Hashes, buckets: Counts, shift: np.uint64, wanted: Hashes, out: Rows) -> None:
    for i in range(len(wanted)):
        out[i] = -1
        bucket = wanted[i] >> shift
        for place in range(buckets[bucket], buckets[bucket + np.uint64(1)]):
            if keys[place] == wanted[i]:
                out[i] = place
                break


def look_up(lines: Repeated, keys: Hashes) -> Rows:
    """For each key its place among the repeated lines, or -1."""
    bits = (len(lines.buckets) - 1).bit_length() - 1
    out = np.empty(len(keys), np.int64)
    _find(lines.keys, lines.buckets, np.uint64(64 - bits), keys, out)
    return out
