"""Accounts that prove themselves by a checksum: IBANs (ISO 13616) and payment cards (ISO/IEC 7812)."""

from __future__ import annotations

from collections.abc import Iterator

import re2

from pipeline.personal_data.spans import Span, stands_alone

# Characters of an IBAN by country: SWIFT's IBAN registry.
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FK FO GL NL SD",
        19: "MK SI",
        20: "AT BA BI EE KZ LT LU MN XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}
IBAN_START = r"\b[A-Z]{2}[0-9]{2}"
_IBAN_START = re2.compile(IBAN_START)
_NOT_BEFORE = re2.compile(r"(?:[\pL\pN_]|[\pL\pN_][-/]|\pN[.,:])\z")
_NOT_AFTER = re2.compile(r"\A(?:[\pL\pN_%]|[-.,:/]\pN|[-/]\pL)")

CARD = r"3[0-9]{3}[ -][0-9]{6}[ -][0-9]{4,5}|[0-9]{4}(?:[ -][0-9]{4}){3}(?:[ -][0-9]{1,3})?|[0-9]{13,19}"
_CARD = re2.compile(CARD)
_SHORTEST_CARD = 13
# Lengths by the first digits, of the issuers' published ranges.
_ISSUERS = (
    (re2.compile("4"), (13, 16, 19)),  # Visa
    (re2.compile("5[1-5]|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720"), (16,)),  # Mastercard
    (re2.compile("3[47]"), (15,)),  # American Express
    (re2.compile("6011|64[4-9]|65"), (16, 17, 18, 19)),  # Discover
    (re2.compile("30[0-59]|3[689]"), (14, 16, 19)),  # Diners Club
    (re2.compile("352[89]|35[3-8][0-9]"), (16, 17, 18, 19)),  # JCB
    (re2.compile("62|81"), (16, 17, 18, 19)),  # UnionPay
    (re2.compile("5018|5020|5038|5893|6304|6759|676[1-3]"), (13, 14, 15, 16, 17, 18, 19)),  # Maestro
)


def ibans(text: bytes, start: int, end: int) -> Iterator[Span]:
    """The IBANs in a window of capitals, digits and spaces: of their country's length, and of remainder 1 modulo 97."""
    window, free = text[start:end], 0
    for match in _IBAN_START.finditer(window):
        length = _IBAN_LENGTHS.get(match[0][:2].decode())
        if length is None or match.start() < free:
            continue
        size = _written(window[match.start() : match.start() + 3 * length], length)
        span = Span(start + match.start(), start + match.start() + size)
        written = window[match.start() : match.start() + size].replace(b" ", b"").replace(b"\xc2\xa0", b"")
        if size and _remainder(written) == 1 and stands_alone(text, span, _NOT_BEFORE, _NOT_AFTER):
            free = match.start() + size
            yield span


def _written(rest: bytes, length: int) -> int:
    """The bytes that so many letters and digits take, with at most one space between two; 0 where there are not so many."""
    size, count, spaced = 0, 0, False
    while count < length and size < len(rest):
        space = 1 if rest[size : size + 1] == b" " else 2 if rest[size : size + 2] == b"\xc2\xa0" else 0
        if space and spaced:
            return 0
        spaced = space > 0
        count += not space
        size += space or 1
    return size if count == length else 0


def _remainder(iban: bytes) -> int:
    return int("".join(str(int(character, 36)) for character in (iban[4:] + iban[:4]).decode())) % 97


def cards(text: bytes, start: int, end: int) -> Iterator[Span]:
    """The payment cards in a window of digits and separators: an issuer's first digits and length, and Luhn's check digit."""
    if end - start < _SHORTEST_CARD:
        return
    for match in _CARD.finditer(text[start:end]):
        digits = match[0].translate(None, b" -")
        span = Span(start + match.start(), start + match.end())
        if _issued(digits) and _luhn(digits) and stands_alone(text, span, _NOT_BEFORE, _NOT_AFTER):
            yield span


def _issued(digits: bytes) -> bool:
    return any(len(digits) in lengths and prefix.match(digits) for prefix, lengths in _ISSUERS)


def _luhn(digits: bytes) -> bool:
    doubled = [digit - 48 if place % 2 == 0 else (digit - 48) * 2 for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0
