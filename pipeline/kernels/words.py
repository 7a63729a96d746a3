"""The words of texts: what the published filters for English count, punctuation marks among them (see `chunks`)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.kernels import kernel
from pipeline.kernels.characters import LETTER, MARK, SPACE, UNSPACED, Kinds, kinds
from pipeline.kernels.chunks import KIND, Glyphs, Marks, exception_of, exception_table, mark_words, slot_of
from pipeline.kernels.recent import kept
from pipeline.kernels.strings import Bytes, Counts, Hashes, decode, hash_bytes, hash_letters, strings
from pipeline.kernels.unspaced import cut_unspaced
from pipeline.kernels.word_table import (
    HAS_LETTER,
    HAS_NON_SYMBOL,
    IS_UNSPACED,
    Flags,
    Lengths,
    Places,
    WordTable,
    empty_table,
    first_words,
)

_PLAIN = np.uint8(3)
_LETTER = int(LETTER) << KIND
_MARK = int(MARK) << KIND
_UNSPACED = int(UNSPACED) << KIND


@kernel
def _is_blank(data: Bytes, i: int, end: int) -> bool:
    return i == end or data[i] == 32 or data[i] == 10


@kernel
def _is_letter(data: Bytes, i: int, end: int) -> bool:
    return i < end and ord("a") <= (data[i] | 0x20) <= ord("z")


@kernel
def _is_mark(byte: np.uint8) -> bool:
    return byte in (ord(","), ord("."), ord(":"), ord(";"), ord(")"), ord("?"), ord("!"), ord('"'))


@kernel
def _marks_after(data: Bytes, stop: int, end: int) -> int:
    """How many marks, each a word of its own, end the chunk after the letters or digits before `stop`: 0, 1, 2, or -1."""
    if _is_blank(data, stop, end):
        return 0
    mark = data[stop]
    # After a capital, a full stop may belong to an abbreviation.
    if not _is_mark(mark) or (mark == ord(".") and ord("A") <= data[stop - 1] <= ord("Z")):
        return -1
    if _is_blank(data, stop + 1, end):
        return 1
    after = data[stop + 1]
    if not _is_mark(after) or not _is_blank(data, stop + 2, end):
        return -1
    # Two marks may be an ellipsis or a face.
    together = (mark == ord(".") and after == ord(".")) or (mark in (ord(":"), ord(";")) and after == ord(")"))
    return -1 if together or (mark == ord(")") and after == ord(":")) else 2


@kernel
def _possessive(data: Bytes, stop: int, end: int) -> int:
    """The bytes of an apostrophe, straight or curly, and an s that end the chunk at `stop`; or 0."""
    width = 0
    if stop + 1 < end and data[stop] == ord("'"):
        width = 2
    elif stop + 3 < end and data[stop] == 0xE2 and data[stop + 1] == 0x80 and data[stop + 2] == 0x99:
        width = 4
    return width if width and data[stop + width - 1] | 0x20 == ord("s") and _is_blank(data, stop + width, end) else 0


@kernel
def _plain_chunk(data: Bytes, i: int, end: int, keys: Hashes) -> tuple[int, int, np.uint64, int, int, int]:
    """What the chunk at `i` is made of where it is of the most frequent kind, which needs none of the rules in `chunks`.

    That is: an opening mark or none; letters, or such parts joined by hyphens, or digits; "'s" or up to two marks. Returned are
    the byte after the opening mark; the end of the first part, and its hash; the end of the last part; the bytes of "'s";
    the marks, or -1 where the chunk is of another kind.
    """
    start = i + 1 if data[i] in (ord("("), ord('"')) and _is_letter(data, i + 1, end) and _is_letter(data, i + 2, end) else i
    first, key = hash_letters(data, start, end)
    stop = last = first
    if first > start:
        last = start
        while stop < end and data[stop] == ord("-") and _is_letter(data, stop + 1, end):
            last = stop + 1
            stop = hash_letters(data, last, end)[0]
    else:
        last = start
        while stop < end and ord("0") <= data[stop] <= ord("9"):
            stop += 1
        if stop == start:
            return start, stop, key, stop, 0, -1
        first, key = stop, hash_bytes(data, start, stop)
    tail = _possessive(data, stop, end)
    marks = 0 if tail else _marks_after(data, stop, end)
    if marks < 0 or (last == start and slot_of(keys, key) >= 0):
        return start, first, key, stop, tail, -1
    ending = tail + (marks > 0)
    if ending and exception_of(keys, data, last, stop + ending) >= 0:
        return start, first, key, stop, tail, -1
    return start, first, key, stop, tail, marks


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
def _scan(  # noqa: PLR0912, PLR0915  # calls that write words would cost more than the rest
    state: Counts, row_offsets: Counts, row_starts: Counts, row_ends: Counts, data: Bytes, kinds: Kinds, keys: Hashes, pieces: Hashes,
    glyphs: Glyphs, pos: Counts, cut: Marks, starts: Places, ends: Places, hashes: Hashes, chars: Lengths, flags: Flags,
) -> int:  # fmt: skip
    """Go on from `state`, which is (row, byte, words written); the room that is lacking for words or glyphs, or 0 at the end.

    Memory is the caller's, and arrays come one by one: to replace one inside of the loop, or to pass them on in a tuple,
    would count their references at every turn.
    """
    i, n = state[1], state[2]
    for row in range(state[0], len(row_starts)):
        begin, end = row_starts[row], row_ends[row]
        i = max(i, begin)
        while i < end:
            if data[i] == 32 or data[i] == 10:
                i += 1
                continue
            start, first, key, last, tail, marks = _plain_chunk(data, i, end, keys)
            if marks >= 0 and n + last - i + 4 <= len(starts):
                if start > i:
                    starts[n], ends[n], hashes[n], chars[n], flags[n] = i - begin, start - begin, hash_bytes(data, i, start), 1, 0
                    n += 1
                flag = _PLAIN if _is_letter(data, start, end) else HAS_NON_SYMBOL
                starts[n], ends[n], hashes[n], chars[n], flags[n] = start - begin, first - begin, key, first - start, flag
                n += 1
                i = first
                while i < last:
                    starts[n], ends[n], hashes[n], chars[n], flags[n] = i - begin, i + 1 - begin, hash_bytes(data, i, i + 1), 1, 0
                    stop, key = hash_letters(data, i + 1, end)
                    starts[n + 1], ends[n + 1], hashes[n + 1] = i + 1 - begin, stop - begin, key
                    chars[n + 1], flags[n + 1] = stop - i - 1, _PLAIN
                    n += 2
                    i = stop
                if tail:
                    starts[n], ends[n], chars[n], flags[n] = i - begin, i + tail - begin, 2, _PLAIN
                    hashes[n] = hash_bytes(data, i, i + tail)
                    n += 1
                    i += tail
                for _ in range(marks):
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
            if m > 1:
                mark_words(glyphs, pos, data, keys, pieces, cut, m)
            k = 0
            while k < m:
                begins, some, all_marks = k, np.int64(0), True
                while True:
                    some |= glyphs[k]
                    all_marks = all_marks and glyphs[k] & _MARK != 0
                    k += 1
                    if k == m or cut[k]:
                        break
                starts[n], ends[n], chars[n] = pos[begins] - begin, pos[k] - begin, k - begins
                hashes[n] = hash_bytes(data, pos[begins], pos[k])
                flags[n] = (HAS_LETTER if some & _LETTER else 0) | (0 if all_marks else HAS_NON_SYMBOL)
                # A face may have such a character.
                if some & _UNSPACED and exception_of(keys, data, pos[begins], pos[k]) < 0:
                    flags[n] |= IS_UNSPACED
                n += 1
            i = pos[m]
        row_offsets[row + 1] = n
    state[2] = n
    return 0


def _grown(table: WordTable, used: int, size: int) -> WordTable:
    longer = empty_table(table.row_offsets, size)
    columns: zip[tuple[npt.NDArray[np.generic], npt.NDArray[np.generic]]] = zip(table[1:], longer[1:], strict=True)
    for old, new in columns:
        new[:used] = old[:used]
    return longer


def scan(row_starts: Counts, row_ends: Counts, data: Bytes) -> WordTable:
    """The words of rows that lie one behind the other in `data`, maybe apart, by the rules for English alone."""
    exceptions = exception_table()
    state, room = np.zeros(3, np.int64), 256
    table = empty_table(np.zeros(len(row_starts) + 1, np.int64), int((row_ends - row_starts).sum()) // 4 + 256)
    while True:
        glyphs, pos, cut = np.empty(room, np.int64), np.empty(room + 1, np.int64), np.empty(room + 1, np.uint8)
        lacking = _scan(
            state, table.row_offsets, row_starts, row_ends, data, kinds(), exceptions.keys, exceptions.pieces, glyphs, pos, cut,
            table.starts, table.ends, table.hashes, table.chars, table.flags,
        )  # fmt: skip
        written = int(state[2])
        if not lacking:
            return first_words(table, written)
        if lacking == room:
            room *= 4
        else:
            table = _grown(table, written, 2 * len(table.starts) + lacking)


@kept
def words(array: pa.Array) -> WordTable:
    """The words of each string, by spaCy's rules for English, and by ICU's dictionaries where a script has no spaces.

    A null row has none.

    The last answer of each thread is kept.
    """
    text = strings(array)
    return cut_unspaced(scan(text.offsets[:-1], text.offsets[1:], text.data), text)
