"""Personal data in texts: e-mail addresses, public IP addresses, IBANs, payment cards and phone numbers.

A compiled pass finds windows that may hold one; linear-time patterns (RE2) and checks of each kind look at those alone.
Where two kinds overlap the one whose form proves more goes first: e-mail, IP address, IBAN, card, phone.
A later kind sees what earlier ones have taken as an end of the text.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.kernels.recent import kept
from pipeline.kernels.strings import Bytes, Counts, strings
from pipeline.kernels.windows import Class, Windows, classes, windows
from pipeline.personal_data import sieve
from pipeline.personal_data.accounts import cards, ibans
from pipeline.personal_data.addresses import ipv4, ipv6
from pipeline.personal_data.mail import emails
from pipeline.personal_data.phones import phones
from pipeline.personal_data.spans import Span

KINDS = ("email", "ip_address", "iban", "card", "phone")

_DIGITS = b"0123456789"
_CAPITALS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LETTERS = _CAPITALS + _CAPITALS.lower()
_NO_BREAK_SPACE = "\u00a0".encode()
_SPACES_AND_HYPHENS = "\u00a0\u202f\u2010\u2011\u2012\u2013".encode()

_MAIL, _COLONS, _DOTS, _CAPS, _NUMBER = range(5)
_CLASSES = classes(
    [
        Class(_DIGITS + _LETTERS + b"@.+-_%'&~" + bytes(range(0x80, 0x100)), b"@", b"@", 1, 6),
        Class(_DIGITS + b"abcdefABCDEF:.", b":", b":", 2, 7),
        Class(_DIGITS + b".", _DIGITS, b".", 3, 7),
        Class(_DIGITS + _CAPITALS + b" " + _NO_BREAK_SPACE, _DIGITS, _DIGITS, 2, 15),
        Class(_DIGITS + b" -.()/+" + _SPACES_AND_HYPHENS, _DIGITS, _DIGITS, 7, 7),
    ]
)

_Matcher = Callable[[bytes, int, int], Iterator[Span]]
_MATCHERS: tuple[tuple[str, int, _Matcher], ...] = (
    ("email", _MAIL, emails),
    ("ip_address", _COLONS, ipv6),
    ("ip_address", _DOTS, ipv4),
    ("iban", _CAPS, ibans),
    ("card", _NUMBER, cards),
    ("phone", _NUMBER, phones),
)


class Match(NamedTuple):
    """Bytes `start` to `end` of a row's text."""

    start: int
    end: int
    kind: str


@kept
def find(texts: pa.Array) -> Mapping[int, list[Match]]:
    """The rows that have personal data, and it: in the text's order, never overlapping. The last answer of each thread is kept."""
    offsets, data = strings(texts)
    every = zip(*(each.tolist() for each in _worth_a_look(windows(texts, _CLASSES), offsets, data)), strict=True)
    found = {}
    for row, of_row in groupby(every, key=lambda window: window[0]):
        by_class: dict[int, list[Span]] = {}
        for _, kind, start, end in of_row:
            by_class.setdefault(kind, []).append(Span(start, end))
        if matches := _find(data[offsets[row] : offsets[row + 1]].tobytes(), by_class):
            found[row] = matches
    return found


def _worth_a_look(found: Windows, offsets: Counts, data: Bytes) -> Windows:
    """The windows without those that `sieve` tells to hold nothing."""
    row_starts = offsets[found.rows]
    starts, ends = found.starts + row_starts, found.ends + row_starts
    worth = found.classes == _MAIL
    for kind, asked in ((_COLONS, sieve.may_be_ipv6), (_DOTS, sieve.may_be_ipv4), (_CAPS, sieve.may_have_ibans)):
        of_kind = found.classes == kind
        worth[of_kind] = asked(data, starts[of_kind], ends[of_kind])
    beside = sieve.beside(starts, ends, starts[worth], ends[worth])
    of_kind = (found.classes == _NUMBER) & ~beside
    worth[of_kind] = sieve.may_have_numbers(data, starts[of_kind], ends[of_kind], row_starts[of_kind])
    worth |= (found.classes == _NUMBER) & beside
    return Windows(*(each[worth] for each in found))


def counts(found: Mapping[int, list[Match]], rows: int) -> npt.NDArray[np.int64]:
    """How many of each of `KINDS` each of so many rows has: (rows, kinds)."""
    table = np.zeros((rows, len(KINDS)), np.int64)
    for row, matches in found.items():
        for match in matches:
            table[row, KINDS.index(match.kind)] += 1
    return table


def _find(text: bytes, by_class: dict[int, list[Span]]) -> list[Match]:
    taken: list[Match] = []
    for kind, number, matcher in _MATCHERS:
        new = []
        for window in by_class.get(number, ()):
            for piece in _free(window, taken) if taken else (window,):
                new += [Match(*span, kind) for span in matcher(text, *piece)]
        if new:
            taken = sorted(taken + new)
    return taken


def _free(window: Span, taken: list[Match]) -> Iterator[Span]:
    """What of a window is not taken."""
    start = window.start
    place = bisect_right(taken, start, key=lambda match: match.end)
    while place < len(taken) and taken[place].start < window.end:
        if start < taken[place].start:
            yield Span(start, taken[place].start)
        start = taken[place].end
        place += 1
    if start < window.end:
        yield Span(start, window.end)
