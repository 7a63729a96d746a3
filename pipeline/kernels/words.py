"""The words of texts: what the published filters for English count, punctuation marks among them (see `chunks`)."""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.kernels import kernel
from pipeline.kernels.characters import LETTER, MARK, SPACE, Kinds, kinds
from pipeline.kernels.chunks import KIND, Glyphs, Marks, exception_of, exception_table, mark_words, slot_of
from pipeline.kernels.strings import Bytes, Counts, Hashes, decode, hash_bytes, hash_letters, strings

HAS_LETTER = np.uint8(1)
HAS_NON_SYMBOL = np.uint8(2)

Places = npt.NDArray[np.uint32]
Lengths = npt.NDArray[np.int32]
Flags = npt.NDArray[np.uint8]

_PLAIN = np.uint8(3)
_LETTER = int(LETTER) << KIND
_MARK = int(MARK) << KIND


class WordTable(NamedTuple):
    """The words of row `i` are those from `row_offsets[i]` to `row_offsets[i + 1]`."""

    row_offsets: Counts  # (rows + 1,)
    starts: Places  # (words,): bytes from the start of the row's text
    ends: Places
    hashes: Hashes  # 64 bits of the word's bytes, as `strings.hashes` gives
    chars: Lengths  # Unicode characters
    flags: Flags  # HAS_LETTER | HAS_NON_SYMBOL


@kernel
def _is_blank(data: Bytes, i: int, end: int) -> bool:
    return i == end or data[i] == 32 or data[i] == 10


@kernel
def _marks_after(data: Bytes, start: int, stop: int, end: int) -> int:
    """Of the letters from `start` to `stop`, the most frequent cases: 0 where they end the chunk, 1 where one mark does, or -1."""
    if stop == start:
        return -1
    if _is_blank(data, stop, end):
        return 0
    c = data[stop]
    mark = c in (ord(","), ord(":"), ord(";"), ord(")"), ord("?"), ord("!"))
    # After a capital, a full stop may belong to an abbreviation.
    return 1 if (mark or (c == ord(".") and data[stop - 1] >= ord("a"))) and _is_blank(data, stop + 1, end) else -1


@kernel
def _read_chunk(data: Bytes, kinds: Kinds, i: int, end: int, glyphs: Glyphs, pos: Counts) -> int:
    """Read the glyphs up to white space, `end` or the end of the room for them; their number."""
    m, room = 0, len(glyphs)
    while i < end and m < room:
        point, width = decode(data, i)
        if kinds[point] & SPACE:
            break
        glyphs[m], pos[m] = np.int64(kinds[point]) << KIND | point, i
        m += 1
        i += width
    pos[m] = i
    return m


@kernel
def _scan(
    state: Counts, row_offsets: Counts, offsets: Counts, data: Bytes, kinds: Kinds, keys: Hashes, pieces: Hashes,
    glyphs: Glyphs, pos: Counts, cut: Marks, starts: Places, ends: Places, hashes: Hashes, chars: Lengths, flags: Flags,
) -> int:  # fmt: skip
    """Go on from `state`, which is (row, byte, words written); the room that is lacking for words or glyphs, or 0 at the end.

    Memory is the caller's, and arrays come one by one: to replace one inside of the loop, or to pass them on in a tuple,
    would count their references at every turn.
    """
    i, n = state[1], state[2]
    for row in range(state[0], len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        i = max(i, begin)
        while i < end:
            if data[i] == 32 or data[i] == 10:
                i += 1
                continue
            stop, key = hash_letters(data, i, end)
            marks = _marks_after(data, i, stop, end)
            plain = marks >= 0 and slot_of(keys, key) < 0 and (marks == 0 or exception_of(keys, data, i, stop + 1) < 0)
            if plain and n + 1 < len(starts):
                starts[n], ends[n], hashes[n], chars[n], flags[n] = i - begin, stop - begin, key, stop - i, _PLAIN
                n += 1
                i = stop
                if marks:
                    starts[n], ends[n], hashes[n], chars[n], flags[n] = i - begin, i + 1 - begin, hash_bytes(data, i, i + 1), 1, 0
                    n += 1
                    i += 1
                continue
            m = _read_chunk(data, kinds, i, end, glyphs, pos)
            if m == 0:
                i += decode(data, i)[1]
                continue
            if m == len(glyphs) or n + m > len(starts):
                state[0], state[1], state[2] = row, i, n
                return m
            mark_words(glyphs, pos, data, keys, pieces, cut, m)
            k = 0
            while k < m:
                first, some, all_marks = k, np.int64(0), True
                while True:
                    some |= glyphs[k]
                    all_marks = all_marks and glyphs[k] & _MARK != 0
                    k += 1
                    if k == m or cut[k]:
                        break
                starts[n], ends[n], chars[n] = pos[first] - begin, pos[k] - begin, k - first
                hashes[n] = hash_bytes(data, pos[first], pos[k])
                flags[n] = (HAS_LETTER if some & _LETTER else 0) | (0 if all_marks else HAS_NON_SYMBOL)
                n += 1
            i = pos[m]
        row_offsets[row + 1] = n
    state[2] = n
    return 0


def _table(row_offsets: Counts, size: int) -> WordTable:
    places, lengths = np.empty((2, size), np.uint32), np.empty(size, np.int32)
    return WordTable(row_offsets, places[0], places[1], np.empty(size, np.uint64), lengths, np.empty(size, np.uint8))


def _grown(table: WordTable, used: int, size: int) -> WordTable:
    longer = _table(table.row_offsets, size)
    columns: zip[tuple[npt.NDArray[np.generic], npt.NDArray[np.generic]]] = zip(table[1:], longer[1:], strict=True)
    for old, new in columns:
        new[:used] = old[:used]
    return longer


def _scan_all(array: pa.Array) -> WordTable:
    offsets, data = strings(array)
    exceptions = exception_table()
    state, room = np.array([0, offsets[0], 0]), 256
    table = _table(np.zeros(len(array) + 1, np.int64), int(offsets[-1] - offsets[0]) // 4 + 256)
    while True:
        glyphs, pos, cut = np.empty(room, np.int64), np.empty(room + 1, np.int64), np.empty(room + 1, np.uint8)
        lacking = _scan(
            state, table.row_offsets, offsets, data, kinds(), exceptions.keys, exceptions.pieces, glyphs, pos, cut,
            table.starts, table.ends, table.hashes, table.chars, table.flags,
        )  # fmt: skip
        written = int(state[2])
        if not lacking:
            return WordTable(
                table.row_offsets,
                table.starts[:written],
                table.ends[:written],
                table.hashes[:written],
                table.chars[:written],
                table.flags[:written],
            )
        if lacking == room:
            room *= 4
        else:
            table = _grown(table, written, 2 * len(table.starts) + lacking)


_recent = threading.local()


def words(array: pa.Array) -> WordTable:
    """The words of each string, by spaCy's rules for English; a null row has none.

    The last answer of each thread is kept, so that steps that follow each other on one batch scan its text once.
    """
    key = (array.offset, len(array), *(buffer.address if buffer else 0 for buffer in array.buffers()[1:]))
    if getattr(_recent, "key", None) != key:
        table = _scan_all(array)
        # The array is held as well: while it lives, no other can have its addresses.
        _recent.key, _recent.array, _recent.table = key, array, table
    answer: WordTable = _recent.table
    return answer
