"""Phone numbers as people write them: international (ITU-T E.123, E.164), and national in common forms.

Digits alone are no proof: a number must have a plus, the separators and groups that a country writes, or a word before
it that announces one ("tel.", "call"). Without one of them a run of digits stays, whatever it may be.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import re2

from pipeline.personal_data.spans import Span, before, stands_alone

_SPACE = r"[ \x{A0}\x{202F}]"
_BREAK = r"[-. \x{A0}\x{202F}\x{2010}-\x{2013}]"
_UNDOTTED = r"[- \x{A0}\x{202F}\x{2010}-\x{2013}]"
_BETWEEN = rf"(?:{_BREAK}|/| ?\(|\){_BREAK}?|\) ?\(| [-/\x{{2013}}] )?"

_DAY, _MONTH, _YEAR = "(?:0?[1-9]|[12][0-9]|3[01])", "(?:0?[1-9]|1[0-2])", "(?:19|20)[0-9]{2}"
_DATE = "|".join("[-./]".join(order) for order in ((_DAY, _MONTH, _YEAR), (_MONTH, _DAY, _YEAR), (_YEAR, _MONTH, _DAY)))
_INTERNATIONAL = rf"(?:\+|00{_BREAK}?)\(?[1-9](?:{_BETWEEN}[0-9]){{6,}}"
_PAIRS = r"0[1-9](?:(?: [0-9]{2}){4}|(?:\.[0-9]{2}){4}|(?:-[0-9]{2}){4})"  # France
_TRUNK = (  # a prefix 0 for calls within the country
    rf"\(0[1-9][0-9]{{0,4}}\)(?:{_BREAK}|/)?[0-9]{{2,8}}(?:{_BREAK}[0-9]{{2,5}}){{0,3}}",
    rf"0[1-9][0-9]{{0,4}}(?: ?[-/\x{{2013}}] ?|{_BREAK})[0-9]{{2,8}}(?:{_BREAK}[0-9]{{2,5}}){{0,3}}",
)
_GROUPED = (
    r"0[1-9][0-9]{0,3}\([0-9]{2,4}\)[0-9]{4}",  # Japan
    rf"(?:1{_BREAK})?(?:\([2-9][0-9]{{2}}\){_BREAK}?|[2-9][0-9]{{2}}(?:{_UNDOTTED}|/))[2-9][0-9]{{2}}{_BREAK}[0-9]{{4}}",  # North America
    r"(?:1\.)?[2-9][0-9]{2}\.[2-9][0-9]{2}\.[0-9]{4}",
    rf"\([1-9][0-9]{{1,2}}\) ?[0-9]{{3,5}}{_BREAK}[0-9]{{3,4}}",  # Brazil, Mexico
    r"8 ?\([0-9]{3,5}\) ?[0-9]{1,3}[- ][0-9]{2}[- ][0-9]{2}|8[- ][0-9]{3}[- ][0-9]{3}[- ][0-9]{2}[- ][0-9]{2}",  # Russia
    r"1[3-9][0-9](?:-[0-9]{4}-[0-9]{4}| [0-9]{4} [0-9]{4})",  # China, mobile
    r"1[38]00[- ][0-9]{3}[- ][0-9]{3}",  # Australia
    rf"[1-9][0-9]{_SPACE}[0-9]{{3}}{_SPACE}[0-9]{{2}}{_SPACE}[0-9]{{2}}",  # Spain, Poland
)
_FORMS = {"pairs": _PAIRS, "date": _DATE, "international": _INTERNATIONAL, "trunk": "|".join(_TRUNK), "grouped": "|".join(_GROUPED)}
_PHONE = re2.compile("|".join(f"(?P<{name}>{form})" for name, form in _FORMS.items()))
UNDATED = "|".join(form for name, form in _FORMS.items() if name != "date")  # stands in every window that has a number of some form
_ANNOUNCED = re2.compile(rf"\A\(?[0-9](?:(?:{_BREAK}|\) ?| ?\()?[0-9]){{6,}}")
_DATED = re2.compile(rf"\A(?:{_DATE})")

ANNOUNCES = (
    r"(?i)(?:\b(?:tel|telephone|telefon|telefono|tlf|tfno|phone|phones|ph|mobile|mobil|cell|cellphone|handy|gsm|fax|telefax|call|dial|ring|"
    r"text|sms|whatsapp|hotline|landline)|тел|телефон|τηλ|电话|電話|手机|전화|tél|téléphone|teléfono|móvil)"
    r"(?:[ .:#]{0,2}\b(?:us|me|him|her|them|at|on|is|now|no|nr|number)){0,2}[ .:#：]{0,3}"  # noqa: RUF001  # a colon as Chinese has it
)
_ANNOUNCES = re2.compile(ANNOUNCES + r"\z")
_LETTERS = r"A-Za-z\x{AA}-\x{24F}\p{Greek}\p{Cyrillic}"  # scripts that put a space before a number
_NOT_BEFORE = re2.compile(rf"(?:[{_LETTERS}0-9_#@+\\\p{{Sc}}]|\p{{Sc}} |[0-9][-.:/()]|[{_LETTERS}_][-/])\z")
_NOT_AFTER = re2.compile(r"\A(?:[0-9_%@A-WYZa-wyz\x{AA}-\x{24F}\p{Greek}\p{Cyrillic}]|[xX](?:[^0-9 ]|\z)|[-./:][0-9]|-[A-Za-z])")
_NOTHING = re2.compile(r"\A\z.")
_DIGIT_BEFORE = re2.compile(rf"[0-9]{_SPACE}\z")
_DIGIT_AFTER = re2.compile(rf"\A{_SPACE}[0-9]")
BEFORE_NUMBER = b" -./)"  # of a window, what may part a number from the word that announces it
_BARE = re2.compile(r"[0-9]+")
_NO_DIGITS = bytes(byte for byte in range(256) if byte not in b"0123456789")
_ONLY_SPACED = re2.compile(rf"[0-9]+(?:{_SPACE}[0-9]+)*")

# Assigned country codes (ITU-T E.164).
_COUNTRY = re2.compile(r"1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|(?:2[1-689]|3[578]|42|5[09]|6[7-9]|8[0578]|9[679])[0-9]")
_INTERNATIONAL_DIGITS = (8, 15)  # the country code among them; E.164 allows 15
_SAME_DIGITS = {b"1": 11, b"7": 11}  # numbering plans in which all numbers are as long
_TRUNK_DIGITS = (9, 12)
_NO_PHONES = ((3, 2, 4), (5, 4))  # digits in the groups of a US social security number, and of a ZIP+4 code


def phones(text: bytes, start: int, end: int) -> Iterator[Span]:
    """The phone numbers in a window of digits and separators."""
    window = text[start:end]
    found = [span for match in _PHONE.finditer(window) if (span := _phone(text, start, match))]
    lead = start + len(window) - len(window.lstrip(BEFORE_NUMBER))
    stop = found[0].start if found else end
    if lead < stop and (span := _announced(text, lead, stop)):
        yield span
    yield from found


def _phone(text: bytes, start: int, match: Any) -> Span | None:
    form, written = match.lastgroup, match[0]
    if form == "date":
        return None
    digits = written.translate(None, _NO_DIGITS)
    if form == "international":
        written, digits = _international(written)
        fits = bool(digits)
    elif form == "trunk":
        fits = _is_trunk(written, digits)
    else:
        fits = True
    span = Span(start + match.start(), start + match.start() + len(written))
    return span if fits and stands_alone(text, span, _NOT_BEFORE, _NOT_AFTER) and not _in_a_row(text, span) else None


def _announced(text: bytes, start: int, end: int) -> Span | None:
    """The number that begins at `start`, where a word before it says that one does."""
    if not _ANNOUNCES.search(before(text, start)):
        return None
    match = _ANNOUNCED.search(text[start:end])
    if match is None or _DATED.search(text[start:end]):
        return None
    span = Span(start, start + len(_cut(match[0], _INTERNATIONAL_DIGITS[1])))
    return span if span.start < span.end and stands_alone(text, span, _NOTHING, _NOT_AFTER) else None


def _international(written: bytes) -> tuple[bytes, bytes]:
    """What of a number that begins with + or 00 is one number, and its digits; nothing where none is."""
    prefix = len(b"+") if written.startswith(b"+") else len(b"00")
    if prefix == 2 and _BARE.fullmatch(written):
        return b"", b""  # digits filled up with zeros
    country = _COUNTRY.match(written[prefix : prefix + 8].translate(None, _NO_DIGITS))
    if country is None:
        return b"", b""
    least, most = _INTERNATIONAL_DIGITS
    same = _SAME_DIGITS.get(country[0])
    number = _cut(written[prefix:], same or most)
    digits = number.translate(None, _NO_DIGITS)
    return (written[: prefix + len(number)], digits) if (same or least) <= len(digits) <= most else (b"", b"")


def _cut(written: bytes, most: int) -> bytes:
    """As many whole groups of digits as have at most so many digits."""
    end, digits = 0, 0
    for group in _BARE.finditer(written):
        digits += len(group[0])
        if digits > most:
            break
        end = group.end()
    return written[:end]


def _is_trunk(written: bytes, digits: bytes) -> bool:
    groups = tuple(map(len, _BARE.findall(written)))
    least, most = _TRUNK_DIGITS
    decimal = len(groups) == 2 and b"." in written
    odd = groups[-1] == 2 and groups[-2] > 3
    return least <= len(digits) <= most and groups not in _NO_PHONES and not decimal and not odd


def _in_a_row(text: bytes, span: Span) -> bool:
    """Whether the groups of digits, parted by spaces alone, are some of a longer row of numbers."""
    if not _ONLY_SPACED.fullmatch(text[span.start : span.end]):
        return False
    return bool(_DIGIT_BEFORE.search(before(text, span.start)) or _DIGIT_AFTER.search(text[span.end : span.end + 4]))
