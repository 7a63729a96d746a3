"""The shape of an HTML page before it is parsed: what keeps a page from holding a parser for hours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.kernels import kernel
from pipeline.kernels.strings import Bytes, Counts, Hashes


class Shape(NamedTuple):
    """What makes a page long to parse."""

    depth: int  # the most elements open at once, those left out that end by themselves
    options: int  # <option> elements


def _packed(names: str) -> Hashes:
    return np.array([int.from_bytes(name.encode(), "big") for name in names.split()], np.uint64)


# Elements that have no content, or that the next of their kind ends.
_SHORT = _packed(
    "area base br col embed hr img input link meta param source track wbr p li dt dd tr td th thead tbody tfoot colgroup rt rp "
    "optgroup html head body"
)
_OPTION = _packed("option")[0]
_RAW = _packed("script style textarea title iframe noembed noframes xmp")
_FOREIGN = _packed("svg math")


@kernel
def _among(names: Hashes, name: np.uint64) -> bool:
    found = False
    for i in range(len(names)):
        found |= names[i] == name
    return found


@kernel
def _name(data: Bytes, i: int, end: int) -> np.uint64:
    """The letters and digits at `i` in lower case, eight at most, packed into one number; 0 where there are none."""
    packed = np.uint64(0)
    for k in range(i, min(i + 8, end)):
        c = data[k] | 0x20
        if not (ord("a") <= c <= ord("z") or (k > i and ord("0") <= data[k] <= ord("9"))):
            break
        packed = (packed << np.uint64(8)) | np.uint64(c)
    return packed


@kernel
def _find(data: Bytes, i: int, end: int, first: int, second: int) -> int:
    """The next place of two bytes in a row, or `end`."""
    while i + 1 < end and not (data[i] == first and data[i + 1] == second):
        i += 1
    return i if i + 1 < end else end


@kernel
def _tag_end(data: Bytes, i: int, end: int) -> int:
    """The `>` that ends a tag, but for quoted values; or `end`."""
    quote = 0
    while i < end:
        c = data[i]
        if quote:
            quote = 0 if c == quote else quote
        elif c == ord(">"):
            return i
        elif (c == ord('"') or c == ord("'")) and data[i - 1] == ord("="):
            quote = c
        i += 1
    return end


@kernel
def _raw_end(data: Bytes, i: int, end: int, name: np.uint64) -> int:
    while i < end:
        i = _find(data, i, end, ord("<"), ord("/"))
        if i < end and _name(data, i + 2, end) == name:
            return i
        i += 2
    return end


@kernel
def _shape(data: Bytes, short: Hashes, raw: Hashes, foreign_names: Hashes, out: Counts) -> None:
    depth, deepest, options, foreign, i, end = 0, 0, 0, 0, 0, len(data)
    while i + 1 < end:
        if data[i] != ord("<"):
            i += 1
            continue
        closing = data[i + 1] == ord("/")
        name = _name(data, i + 2 if closing else i + 1, end)
        if name == 0:
            comment = i + 3 < end and data[i + 1] == ord("!") and data[i + 2] == ord("-") and data[i + 3] == ord("-")
            i = _find(data, i + 4, end, ord("-"), ord("-")) if comment else i + 1
            continue
        i = _tag_end(data, i + 1, end)
        if name == _OPTION:
            options += not closing
        elif closing:
            foreign = max(foreign - _among(foreign_names, name), 0)
            depth = max(depth - (not _among(short, name)), 0)
        elif _among(raw, name):
            i = _tag_end(data, _raw_end(data, i, end, name), end)
        elif not _among(short, name) and not (foreign and data[i - 1] == ord("/")):
            foreign += _among(foreign_names, name)
            depth += 1
            deepest = max(deepest, depth)
    out[0], out[1] = deepest, options


def shape(page: bytes) -> Shape:
    """Count without a parser, in one pass; a page that is none has the shape of its pieces."""
    out = np.zeros(2, np.int64)
    _shape(np.frombuffer(page, np.uint8), _SHORT, _RAW, _FOREIGN, out)
    return Shape(*map(int, out))
