"""What a text is made of, as shares and lengths: measured for whoever sets bounds, with no bound of its own.

Characters are Unicode code points and their classes those of Python's `str` (`isalnum`, `isdecimal`, `isupper` of `isalpha`,
`isspace`). Words are those of `gopher_quality`, in the case that they stand in. A URL is what begins with "http://", "https://"
or "www.", in any case and not behind a letter or digit of ASCII, and goes on for characters that RFC 3986 section 2 allows. The
measures are those of Data-Juicer (Chen et al. 2023, arXiv:2309.02033), NeMo Curator's heuristics and Dolma (Soldaini et al.
2024, arXiv:2402.00159), whose bounds part because their definitions do: so a recipe sets them. Every value of an empty text is 0.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.kernels import kernel
from pipeline.kernels.characters import CAPITAL, DECIMAL, LETTER, SPACE, kinds
from pipeline.kernels.rows import share
from pipeline.kernels.sets import clear, set_room, slot_for
from pipeline.kernels.strings import Bytes, Counts, Hashes, decode, strings
from pipeline.kernels.words import Lengths, WordTable, words
from pipeline.step import Bound, StepConfig, StepResult

VERSION = 1
USES = ("icu4py", "pyarrow")  # whose compressor one signal is of


class Config(StepConfig):
    pass


SIGNALS = {
    "non_alphanumeric_ratio": (pa.float64(), "share of characters that are neither letters nor digits, white space among them"),
    "digit_ratio": (pa.float64(), "share of characters that are decimal digits, of any script"),
    "uppercase_ratio": (pa.float64(), "share of letters that are capitals"),
    "whitespace_ratio": (pa.float64(), "share of characters that are white space"),
    "url_ratio": (pa.float64(), "share of characters that are part of a URL"),
    "longest_word_chars": (pa.int64(), "characters of the longest word"),
    "unique_word_ratio": (pa.float64(), "different words over all words, punctuation marks counted as words"),
    "compression_ratio": (pa.float64(), "bytes of the text over its bytes compressed by Snappy: the more it repeats itself, the higher"),
}

BOUNDS: dict[str, Bound] = {}

Lanes = npt.NDArray[np.uint64]

# Counts of one character in one number, a lane for each class: they are added up, and taken apart before a lane can overflow.
_ALPHANUMERIC, _DECIMAL, _CAPITAL, _LETTER, _SPACE = range(5)
_LANE_BITS = 12
_LANE = np.uint64((1 << _LANE_BITS) - 1)
_FULL = (1 << _LANE_BITS) - 1

_URL_CHARS = b"-._~:/?#[]@!$&'()*+,;=%0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_HTTP, _WWW = tuple(b"http"), tuple(b"www")


@cache
def _lanes() -> Lanes:
    """For each code point a 1 in the lane of each class that it is of."""
    known = kinds()
    table = np.zeros(len(known), np.uint64)
    every = np.arange(0x110000, dtype=np.uint32).view("U1")
    members = {
        _ALPHANUMERIC: np.flatnonzero(np.strings.isalnum(every)),
        _DECIMAL: np.flatnonzero(known & DECIMAL),
        _CAPITAL: np.flatnonzero((known & (CAPITAL | LETTER)) == CAPITAL | LETTER),
        _LETTER: np.flatnonzero(known & LETTER),
        _SPACE: np.flatnonzero(known & SPACE),
    }
    for lane, points in members.items():
        table[points] |= np.uint64(1 << _LANE_BITS * lane)
    table.flags.writeable = False
    return table


@cache
def _url_chars() -> Bytes:
    """1 for each byte that is a character of a URL."""
    table = np.zeros(256, np.uint8)
    table[list(_URL_CHARS)] = 1
    table.flags.writeable = False
    return table


@kernel
def _classes(offsets: Counts, data: Bytes, lanes: Lanes, chars: Counts, counts: npt.NDArray[np.int64]) -> None:
    for row in range(len(chars)):
        i, end, read = offsets[row], offsets[row + 1], 0
        while i < end:
            packed, left = np.uint64(0), _FULL
            while i < end and left:
                if data[i] < 0x80:
                    packed += lanes[data[i]]
                    i += 1
                else:
                    point, width = decode(data, i)
                    packed += lanes[point]
                    i += width
                left -= 1
            read += _FULL - left
            for lane in range(5):
                counts[lane, row] += np.int64(packed >> np.uint64(_LANE_BITS * lane) & _LANE)
        chars[row] = read


@kernel
def _stands_before(data: Bytes, i: int, begin: int, wanted: tuple[int, ...]) -> bool:
    """Whether small letters, in any case, end before byte `i` and not behind another letter or digit of ASCII."""
    start = i - len(wanted)
    if start < begin:
        return False
    for k in range(len(wanted)):
        if data[start + k] | 0x20 != wanted[k]:
            return False
    if start == begin:
        return True
    before = data[start - 1]
    return not (ord("0") <= before <= ord("9") or ord("a") <= before | 0x20 <= ord("z"))


@kernel
def _url_prefix(data: Bytes, i: int, begin: int, end: int) -> tuple[int, int]:
    """The characters of a URL's beginning before the colon or full stop at `i`, and those from there on; 0 where there is none."""
    if data[i] == ord("."):
        return (3, 1) if _stands_before(data, i, begin, _WWW) else (0, 0)
    if i + 3 > end or data[i + 1] != ord("/") or data[i + 2] != ord("/"):
        return 0, 0
    secure = i > begin and data[i - 1] | 0x20 == ord("s")
    return (4 + secure, 3) if _stands_before(data, i - secure, begin, _HTTP) else (0, 0)


@kernel
def _in_urls(offsets: Counts, data: Bytes, url_chars: Bytes, out: Counts) -> None:
    for row in range(len(out)):
        begin, end, found = offsets[row], offsets[row + 1], 0
        i = begin
        while i < end:
            if data[i] == ord(":") or data[i] == ord("."):
                before, after = _url_prefix(data, i, begin, end)
                stop = i + after
                while before and stop < end and url_chars[data[stop]]:
                    stop += 1
                if before and stop > i + after:
                    found += before + stop - i
                    i = stop
                    continue
            i += 1
        out[row] = found


@kernel
def _vocabulary(row_offsets: Counts, hashes: Hashes, chars: Lengths, keys: Hashes, distinct: Counts, longest: Counts) -> None:
    for row in range(len(distinct)):
        start, stop = row_offsets[row], row_offsets[row + 1]
        mask, different, most = clear(keys, stop - start), 0, 0
        for word in range(start, stop):
            most = max(most, chars[word])
            key = hashes[word] | np.uint64(1)
            slot = slot_for(keys, mask, key)
            different += keys[slot] == 0
            keys[slot] = key
        distinct[row], longest[row] = different, most


def _of_words(found: WordTable) -> tuple[Counts, Counts]:
    """How many different words each text has, and the characters of its longest."""
    every = np.diff(found.row_offsets)
    keys = np.empty(set_room(int(every.max(initial=0))), np.uint64)
    distinct, longest = np.empty_like(every), np.empty_like(every)
    _vocabulary(found.row_offsets, found.hashes, found.chars, keys, distinct, longest)
    return distinct, longest


def _compressed(text: pa.Array) -> Counts:
    """The bytes of each text by Snappy, which on English prose goes with zlib's (r = 0.99) at four times its speed."""
    codec = pa.Codec("snappy")
    return np.array([codec.compress(each.as_buffer()).size if each.is_valid else 0 for each in text], np.int64)


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    """Measure each text; nothing fails."""
    text = batch["text"]
    chars, in_urls, counts = np.empty(len(text), np.int64), np.empty(len(text), np.int64), np.zeros((5, len(text)), np.int64)
    _classes(*strings(text), _lanes(), chars, counts)
    _in_urls(*strings(text), _url_chars(), in_urls)
    found = words(text)
    distinct, longest = _of_words(found)
    size = pc.fill_null(pc.binary_length(text), 0).to_numpy().astype(np.int64)
    measured = {
        "non_alphanumeric_ratio": share(chars - counts[_ALPHANUMERIC], chars),
        "digit_ratio": share(counts[_DECIMAL], chars),
        "uppercase_ratio": share(counts[_CAPITAL], counts[_LETTER]),
        "whitespace_ratio": share(counts[_SPACE], chars),
        "url_ratio": share(in_urls, chars),
        "longest_word_chars": longest,
        "unique_word_ratio": share(distinct, np.diff(found.row_offsets)),
        "compression_ratio": share(size, _compressed(text)),
    }
    return StepResult(signals={name: pa.array(values) for name, values in measured.items()})
