"""Each kind of personal data is counted, in its many forms, and what merely looks like it is not."""

# these characters are meant

from __future__ import annotations

import random
import time
from typing import Any

import pyarrow as pa
import pytest
from nasty import PROSE, text_batch

from pipeline import personal_data as package
from pipeline.personal_data import KINDS, find
from pipeline.steps import personal_data
from pipeline.steps.personal_data import Config

CASES: dict[str, tuple[str, str]] = {}


def found(text: str) -> list[tuple[str, str]]:
    data = text.encode()
    return [(match.kind, data[match.start : match.end].decode()) for match in find(pa.array([text])).get(0, [])]


def measure(text: str) -> dict[str, Any]:
    return {name: array[0].as_py() for name, array in personal_data.run(text_batch([text]), Config()).signals.items()}


def test_each_kind_is_counted_and_their_total_by_length() -> None:
    text = "me@example.org, you@example.org, 93.184.216.34, DE89 3704 0044 0532 0130 00; 4111 1111 1111 1111; +49 30 1234567. "
    counts = {"email": 2, "ip_address": 1, "iban": 1, "card": 1, "phone": 1, "total": 6}
    assert measure(text) == {**counts, "per_1000_chars": 1000 * 6 / len(text)}
    assert measure(PROSE) == {**dict.fromkeys([*KINDS, "total"], 0), "per_1000_chars": 0.0}
    assert measure("")["per_1000_chars"] == 0.0


@pytest.mark.parametrize(
    ("text", "kind", "item"),
    [
        ("(me@example.org).", "email", "me@example.org"),
        ("o'brien+x@a.b.co.uk,", "email", "o'brien+x@a.b.co.uk"),
        ("jose\u0301@x.org", "email", "jose\u0301@x.org"),
        ("联系test@example.com谢谢", "email", "test@example.com"),
        ("用户@例子.公司", "email", "用户@例子.公司"),
        ("http://8.8.8.8/", "ip_address", "8.8.8.8"),
        ("at [2606:4700::1111]:443", "ip_address", "2606:4700::1111"),
        ("GB82WEST12345698765432", "iban", "GB82WEST12345698765432"),
        ("3782-822463-10005", "card", "3782-822463-10005"),
        ("(212) 555-0123 x12", "phone", "(212) 555-0123"),
        ("+1 212 555 0123 2024", "phone", "+1 212 555 0123"),
        ("call 5551234", "phone", "5551234"),
        ("01.23.45.67.89", "phone", "01.23.45.67.89"),
    ],
)
def test_an_item_is_found_from_its_first_to_its_last_character(text: str, kind: str, item: str) -> None:
    assert found(text) == [(kind, item)]


@pytest.mark.parametrize(
    "text",
    [
        "x@y.com\u0301",
        "a" * 65 + "@example.org",
        "a..b@example.org",
        "icon@2x.png",
        "git@github.com:a/b",
        "https://u:p@example.com",
        "@u@x.social",
        "8.8.8.8",
        "version 93.184.216.34",
        "1.2.3.4.5",
        "93.184.216.256",
        "10.1.2.3",
        "192.0.2.77",
        "2001:db8::1",
        "fe80::1",
        "12:30:45",
        "DE88 3704 0044 0532 0130 00",
        "DE89 3704 0044 0532 0130 0",
        "ZZ89 3704 0044 0532 0130 00",
        "4111 1111 1111 1112",
        "9111111111111111",
        "41111111111111111111",
        "2125550123",
        "123-456-7890",
        "212-555-0123-4",
        "$212-555-0123",
        "078-05-1120",
        "02139-4307",
        "978-0-306-40615-7",
        "01.03.2024 1500",
        "call 2024-01-15",
        "+5 123",
        "212 555 0123 44",
        "0044123456789",
        "252.227-7013",
        "gnome (2.30.92.1-1)",
        "fuzzer-4111111111111111",
    ],
)
def test_what_merely_looks_like_it_is_left_out(text: str) -> None:
    assert found(text) == []


def test_where_kinds_overlap_the_one_that_proves_more_is_found() -> None:
    assert found("4111111111111111@example.org") == [("email", "4111111111111111@example.org")]
    assert found("call 4111 1111 1111 1111") == [("card", "4111 1111 1111 1111")]
    assert found("+49 30 1234567 93.184.216.34") == [("phone", "+49 30 1234567"), ("ip_address", "93.184.216.34")]


HOSTILE = [
    "a@",
    "1",
    "-",
    "1.",
    "::",
    "1 ",
    "+1",
    "(0",
    "a.b@c.",
    "2001:db8:",
    "AB12 ",
    "DE89",
    "01 ",
    "212-555-",
    "1-800-",
    "//a@b.cc",
    "a@b.cc.1.1.",
    "ff:",
    "01.02.2024 ",
    "é",
    "/1.2.3.40",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_time_grows_as_the_text_does(unit: str) -> None:
    def seconds(size: int) -> float:
        texts = pa.array([(unit * size)[:size]])
        before = time.process_time()
        find(texts)
        return time.process_time() - before

    seconds(10)
    one, two = seconds(500_000), seconds(1_000_000)
    assert two < 10
    assert two < 4 * one + 0.2


_FRAGMENTS = (
    *("tel 5551234", "call me at 555 1234 99", "x@y.call 5551234", "+49 30 1234567", "(212) 555-0123", "2021-08-09", "тел: ", "fax: "),
    *("8.8.8.8", "93.184.216.34", "10.1.2.3", "1.2.3.4.5", ".", "2606:4700::1111", "::", "20:30:40", "GB82WEST12345698765432"),
    *("4111 1111 1111 1111", "a@b.org", "à ", "\0", "\u00a0", "tel.\u2013", " ", "-", "/", "\n", "[x]", "00 44 20 7946 0958"),
)  # fmt: skip


def test_windows_told_to_hold_nothing_hold_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(1)
    texts = ["".join(chance.choices(_FRAGMENTS, k=chance.randint(1, 9))) for _ in range(3000)]
    sieved = find(pa.array(texts))
    monkeypatch.setattr(package, "_worth_a_look", lambda found, *_: found)
    assert sieved == find(pa.array(texts))
    assert {match.kind for matches in sieved.values() for match in matches} == set(KINDS)
