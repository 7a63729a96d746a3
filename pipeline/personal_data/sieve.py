"""Windows that hold nothing, told many at a time: of a batch's windows few are left for the patterns, which cost the most.

What is left may hold nothing either. What goes holds nothing for certain: also none of the pieces that are left of a window where
an earlier kind takes a part of it, but for numbers that such a piece might begin with, so numbers beside other kinds stay.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import re2

from pipeline.kernels import kernel
from pipeline.kernels.eight import move_bytes
from pipeline.kernels.strings import Bytes, Counts
from pipeline.personal_data.accounts import CARD, IBAN_START
from pipeline.personal_data.addresses import FIRST_V4, LAST_V4
from pipeline.personal_data.phones import ANNOUNCES, BEFORE_NUMBER, UNDATED
from pipeline.personal_data.spans import NEAR_BYTES

Mask = npt.NDArray[np.bool_]

_BETWEEN = "\0"  # stands in no window, and for the end of a text in a pattern
_IBAN = re2.compile(IBAN_START)
_NUMBER = re2.compile(f"{UNDATED}|{CARD}")
_ANNOUNCED = re2.compile(ANNOUNCES + _BETWEEN)
_FIRST, _LAST = np.array(FIRST_V4), np.array(LAST_V4)
_LEAD = np.zeros(256, np.bool_)
_LEAD[list(BEFORE_NUMBER)] = True
_COLONS = 6  # of an IPv6 address without two in a row


@kernel
def _may_be_ipv4(data: Bytes, starts: Counts, ends: Counts, first: Counts, last: Counts, out: Mask) -> None:
    """Four numbers below 256 with full stops between them, and maybe around, which make no address within these ranges."""
    for window in range(len(out)):
        start, end = starts[window], ends[window]
        while start < end and data[start] == ord("."):
            start += 1
        while start < end and data[end - 1] == ord("."):
            end -= 1
        dots, value, address, fits = 0, 0, 0, True
        for i in range(start, end):
            if data[i] == ord("."):
                dots, address, value = dots + 1, address * 256 + value, 0
            else:
                value = value * 10 + data[i] - ord("0")
                fits = fits and value < 256
        if fits and dots == 3:
            address = address * 256 + value
            for place in range(len(first)):
                fits = fits and not first[place] <= address <= last[place]
            out[window] = fits


@kernel
def _may_be_ipv6(data: Bytes, starts: Counts, ends: Counts, out: Mask) -> None:
    for window in range(len(out)):
        colons, pairs = 0, 0
        for i in range(starts[window], ends[window]):
            colons += data[i] == ord(":")
            pairs += data[i] == ord(":") and i > starts[window] and data[i - 1] == ord(":")
        out[window] = pairs > 0 or colons >= _COLONS


@kernel
def _leads(data: Bytes, starts: Counts, ends: Counts, lead: Mask, out: Counts) -> None:
    """Where what may announce a number ends, in each window."""
    for window in range(len(out)):
        i = starts[window]
        while i < ends[window] and lead[data[i]]:
            i += 1
        out[window] = i


@kernel
def _join(data: Bytes, starts: Counts, ends: Counts, places: Counts, out: Bytes) -> None:
    for each in range(len(starts)):
        move_bytes(data, starts[each], out, places[each], ends[each] - starts[each])


def _have(pattern: Any, data: Bytes, starts: Counts, ends: Counts) -> Mask:
    """Which of these ranges has a match of the pattern; all are searched at once, each with a `_BETWEEN` behind it."""
    places = np.concatenate([[0], np.cumsum(ends - starts + 1)])
    joined = np.zeros(int(places[-1]), np.uint8)
    _join(data, starts, ends, places, joined)
    hits = [match.start() for match in pattern.finditer(joined.tobytes())]
    out = np.zeros(len(starts), np.bool_)
    out[np.searchsorted(places, hits, "right") - 1] = True
    return out


def may_be_ipv4(data: Bytes, starts: Counts, ends: Counts) -> Mask:
    """Of windows of digits and full stops."""
    out = np.zeros(len(starts), np.bool_)
    _may_be_ipv4(data, starts, ends, _FIRST, _LAST, out)
    return out


def may_be_ipv6(data: Bytes, starts: Counts, ends: Counts) -> Mask:
    """Of windows of hexadecimal digits, colons and full stops."""
    out = np.empty(len(starts), np.bool_)
    _may_be_ipv6(data, starts, ends, out)
    return out


def may_have_ibans(data: Bytes, starts: Counts, ends: Counts) -> Mask:
    """Of windows of capitals, digits and spaces."""
    return _have(_IBAN, data, starts, ends)


def may_have_numbers(data: Bytes, starts: Counts, ends: Counts, row_starts: Counts) -> Mask:
    """Phone numbers and payment cards, of windows of digits and separators in rows that start there."""
    leads = np.empty_like(starts)
    _leads(data, starts, ends, _LEAD, leads)
    return _have(_NUMBER, data, starts, ends) | _have(_ANNOUNCED, data, np.maximum(leads - NEAR_BYTES, row_starts), leads)


def beside(starts: Counts, ends: Counts, other_starts: Counts, other_ends: Counts) -> Mask:
    """Which ranges share a byte with one of the others."""
    order = np.argsort(other_starts)
    furthest = np.concatenate([[-1], np.maximum.accumulate(other_ends[order])]) if len(order) else np.array([-1])
    return furthest[np.searchsorted(other_starts[order], ends)] > starts
