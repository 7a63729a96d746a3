"""Runs of bytes that stand in several places of a corpus, wherever they begin and end, found exactly and cut.

Lee et al. 2022, "Deduplicating Training Data Makes Language Models Better", section 4.1, whose suffix array is here replaced by
hashes of windows. A window is each run of `min_bytes` bytes of a text. It is repeated where the same bytes stand in an earlier
place: in a document that comes before, or before it in its own, not overlapping. A byte goes if it is in a repeated window;
so what goes are the runs of `min_bytes` or more that are repeated, and each byte that goes is left in an earlier place.

Collecting spills the segments of `pipeline.dedup.anchors`, some 32 bytes for 50 of text, a row a segment. Merging goes through them by
ranges of their anchors' hashes. A segment whose anchor no other has holds nothing repeated; one that is equal to an earlier one is
repeated as a whole. What is left is one of each of those that differ but for their anchor, which is so at the ends of what is
repeated: a second pass spills their windows, and merging these tells which are equal. Windows are taken for equal that are
not once in some 10^18 pairs that have an anchor in common. None of it depends on the order of documents or on which shard they are in.

Memory is a batch of texts, a run of what is merged, some 80 bytes a document, and 32 bytes for each place of the most frequent anchor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.dedup.anchors import COUNT, PLACE_BITS, REPEATS_BIT, STRIDE_BIT, segments, window, windows
from pipeline.dedup.config import SubstringsConfig
from pipeline.dedup.cuts import Spans, without
from pipeline.dedup.line_keys import NO_KEY, line_keys
from pipeline.dedup.lines import Part
from pipeline.dedup.precedence import Rows
from pipeline.dedup.repeated import Flags, firsts
from pipeline.dedup.spilling import Spill, runs, within
from pipeline.dedup.words import batches
from pipeline.kernels import kernel
from pipeline.kernels.strings import Bytes, Counts, Hashes, Strings, hash_bytes, strings

VERSION = 1
USES = ()

RULES = ("empty", "share")  # why a document is dropped: no letter or digit is left, or too much went

_ROWS_AT_ONCE = 1 << 21  # that are merged; some hundred megabytes
_IN_TEXT = np.uint64(2**32 - 1)  # of a place


class Repeats(NamedTuple):
    """What is repeated in a corpus, in files of (place, windows from there on, places that are known to have them)."""

    config: SubstringsConfig
    firsts: Hashes  # by document, the rank of the first one of the same text: for all of them that one is looked at
    places: Sequence[Path]


class Cut(NamedTuple):
    """What is cut from some texts, on borders of characters."""

    spans: Spans
    keys: Hashes  # (spans,): equal where the spans' texts are
    pages: Counts  # (spans,): in how many places at least a window of it stands
    shares: npt.NDArray[np.float64]  # (rows,): of a text's bytes, what is cut
    dropped_by: npt.NDArray[np.int64]  # (rows,): which of RULES, or -1


def find(config: SubstringsConfig, parts: Sequence[Part], ranks: Rows, folder: Path) -> Repeats:
    """What to cut, in files of a folder that is there. `ranks` are the documents' places in the order in which they are kept."""
    of, ranked = window(config.min_bytes), ranks.astype(np.uint64)
    digests, sizes = np.zeros(len(ranks), np.uint64), np.zeros(len(ranks), np.uint64)
    repeated = Spill(folder / "repeated", 3, _ROWS_AT_ONCE)
    with TemporaryDirectory(dir=folder) as spilled:
        found, unlike = Spill(Path(spilled) / "segments", 4, _ROWS_AT_ONCE), Spill(Path(spilled) / "unlike", 3, _ROWS_AT_ONCE)
        for numbers, texts in _texts(parts):
            digests[numbers], sizes[numbers] = _digests(texts), np.diff(texts.offsets)
            for each in segments(texts, ranked[numbers], of):
                found.add(each)
        first_ranks = ranked[firsts(ranks, digests, sizes)]
        alone = np.zeros(len(ranks), np.bool_)
        alone[ranks] = first_ranks == ranked
        _merge(config, found, alone, repeated, unlike)
        found = Spill(Path(spilled) / "windows", 4, _ROWS_AT_ONCE)
        for numbers, texts in _texts(parts):
            own = ranked[numbers]
            rows, (places, counts, keys) = within(unlike.places, 3, *_bounds(own))
            starts = (places & _IN_TEXT).astype(np.int64)
            for each in windows(texts, own, rows, starts, counts.astype(np.int64), keys, of):
                found.add(each)
        _merge(config, found, alone, repeated, None)
    return Repeats(config, first_ranks, repeated.places)


def cut(texts: pa.Array, first: int, found: Repeats) -> Cut:
    """What is cut from the texts of the documents from number `first` on."""
    offsets, data = strings(texts)
    rows, (places, counts, pages) = within(found.places, 3, *_bounds(found.firsts[first : first + len(texts)]))
    starts = (places & _IN_TEXT).astype(np.int64)
    spans, heads = _joined(rows, starts, starts + counts.astype(np.int64) + found.config.min_bytes - 1)
    keys = np.empty(len(heads), np.uint64)
    _inward(offsets, data, *spans, keys)
    most = np.maximum.reduceat(pages, heads).astype(np.int64) if len(heads) else heads
    gone = np.bincount(spans.rows, spans.ends - spans.starts, len(texts))
    shares = gone / np.maximum(np.diff(offsets), 1)
    return Cut(spans, keys, most, shares, _dropped_by(texts, spans, shares > found.config.drop_share))


def _texts(parts: Sequence[Part]) -> Iterator[tuple[slice, Strings]]:
    """All texts in bounded runs, with the numbers of their documents."""
    for part in parts:
        first = part.first
        for batch in part.read():
            for row, texts in batches(batch):
                yield slice(first + row, first + row + len(texts.offsets) - 1), texts
            first += len(batch)


def _digests(texts: Strings) -> Hashes:
    out = np.empty(len(texts.offsets) - 1, np.uint64)
    _hash(texts.data, texts.offsets[:-1], texts.offsets[1:], out)
    return out


@kernel
def _hash(data: Bytes, starts: Counts, ends: Counts, out: Hashes) -> None:
    for i in range(len(out)):
        out[i] = hash_bytes(data, starts[i], ends[i])


def _bounds(ranks: Hashes) -> tuple[Hashes, Hashes]:
    """The places of documents: from where on, and up to where."""
    return ranks << PLACE_BITS, (ranks + np.uint64(1)) << PLACE_BITS


def _merge(config: SubstringsConfig, found: Spill, alone: Flags, repeated: Spill, unlike: Spill | None) -> None:
    """Tell what is repeated of what was found in the documents, by rank, that are the first of their text.

    Of rows of one anchor that are not all equal, what may be repeated in part goes to `unlike`.
    """
    found.flush()
    for run in runs(found.places, 4, _ROWS_AT_ONCE):
        rows = _standing_twice(run[:, alone[(run[2] >> PLACE_BITS).astype(np.int64)]])
        heads = np.flatnonzero(_new(rows[0]))
        if not len(heads):
            continue
        least, most = np.minimum.reduceat(rows[1], heads), np.maximum.reduceat(rows[1], heads)
        like = np.repeat(least == most, np.diff(heads, append=rows.shape[1]))
        alike = rows[:, like]
        repeated.add(_later(config, alike, _new(alike[0]))[0])
        other = rows[:, ~like]
        other = other[:, np.lexsort((other[1], other[0]))]
        later, needed = _later(config, other, _new(other[0]) | _new(other[1]))
        repeated.add(later)
        if unlike is not None:
            unlike.add(needed)
    repeated.flush()
    if unlike is not None:
        unlike.flush()


def _standing_twice(rows: Hashes) -> Hashes:
    """The rows whose anchor stands more than once, in another row or their own; equal ones are together."""
    new = _new(rows[0])
    return rows[:, ~new | ~np.append(new[1:], True) | (rows[3] >> REPEATS_BIT > 0)]


def _new(numbers: Hashes) -> Flags:
    """Where a run of equal numbers begins."""
    new = np.ones(len(numbers), np.bool_)
    new[1:] = numbers[1:] != numbers[:-1]
    return new


def _later(config: SubstringsConfig, rows: Hashes, new: Flags) -> tuple[Hashes, Hashes]:
    """Of rows that are equal, from each mark on: which to cut, as in `Repeats`, and which tell of the others: (place, windows, anchor)."""
    heads = np.flatnonzero(new)
    if not len(heads):
        return rows[:3], rows[:3]
    keys, places, size, one = rows[0], rows[2], np.uint64(config.min_bytes), np.uint64(1)
    counts, strides, repeats = rows[3] & COUNT, rows[3] >> STRIDE_BIT & COUNT, rows[3] >> REPEATS_BIT
    finals, steps = places + strides * repeats, np.maximum(strides, one)
    sizes = np.diff(heads, append=len(places))
    first, last = np.repeat(np.minimum.reduceat(places, heads), sizes), np.repeat(np.maximum.reduceat(finals, heads), sizes)
    known = np.repeat(sizes, sizes).astype(np.uint64)
    # Those of a row that overlap with the first place stay, in its document.
    near = np.where(places >> PLACE_BITS == first >> PLACE_BITS, size - np.minimum(places - first, size), np.uint64(0))
    stay = (near + steps - one) // steps
    gone = stay <= repeats
    cuts = [np.stack([places + stay * strides, counts + (repeats - stay) * strides, known])[:, gone]]
    tell = np.maximum(np.minimum(stay, repeats + one), (places == first).astype(np.uint64)).astype(np.int64)
    row = np.repeat(np.arange(len(tell)), tell)
    nth = (np.arange(len(row)) - np.repeat(np.cumsum(tell) - tell, tell)).astype(np.uint64)
    needed = [np.stack([places[row] + nth * strides[row], counts[row], keys[row]])]
    if not config.keep_first:
        apart = last - places >= size  # in another document that is more than any text
        more = np.where(places >> PLACE_BITS == last >> PLACE_BITS, (last - places - size) // steps, repeats)
        cuts.append(np.stack([places, counts + np.minimum(more, repeats) * strides, known])[:, apart])
        needed.append(np.stack([finals, counts, keys])[:, (finals == last) & (tell <= repeats)])
    return np.concatenate(cuts, axis=1), np.concatenate(needed, axis=1)


def _joined(rows: Rows, starts: Counts, ends: Counts) -> tuple[Spans, Rows]:
    """Spans, in order of row and start, made one where they overlap or touch; and the first that each was made of."""
    if not len(rows):
        return Spans(rows, starts, ends), rows
    base = rows << int(PLACE_BITS)
    reach = np.maximum.accumulate(base + ends)
    heads = np.flatnonzero(np.insert(base[1:] + starts[1:] > reach[:-1], 0, True) | np.insert(rows[1:] != rows[:-1], 0, True))
    finals = np.append(heads[1:] - 1, len(rows) - 1)
    return Spans(rows[heads], starts[heads], reach[finals] - base[heads]), heads


@kernel
def _inward(offsets: Counts, data: Bytes, rows: Counts, starts: Counts, ends: Counts, keys: Hashes) -> None:
    """Move the ends of each span inward to the next border of a character, and hash what is between."""
    for span in range(len(rows)):
        begin, end = offsets[rows[span]], offsets[rows[span] + 1]
        while data[begin + starts[span]] & 0xC0 == 0x80:
            starts[span] += 1
        while begin + ends[span] < end and data[begin + ends[span]] & 0xC0 == 0x80:
            ends[span] -= 1
        keys[span] = hash_bytes(data, begin + starts[span], begin + ends[span])


def _dropped_by(texts: pa.Array, spans: Spans, too_much: Flags) -> npt.NDArray[np.int64]:
    out = np.where(too_much, RULES.index("share"), -1)
    rows = np.unique(spans.rows)
    table, keys, _ = line_keys(without(texts, spans).take(pa.array(rows)))
    worded = np.append(0, np.cumsum(keys != NO_KEY))[table.row_offsets]
    out[rows[worded[1:] == worded[:-1]]] = RULES.index("empty")
    return out
