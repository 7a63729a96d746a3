"""Bytes become the text that they were, as browsers would read them and better where they would not."""

# ruff: noqa: RUF001  # these characters are meant

from __future__ import annotations

import codecs

import pytest
from nasty import GERMAN, RUSSIAN

from pipeline.charset import decode

_JAPANESE = "これは日本語の文章です。今日は天気がいいですね。"


@pytest.mark.parametrize(
    ("mark", "charset"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_a_byte_order_mark_comes_first(mark: bytes, charset: str) -> None:
    assert decode(mark + GERMAN.encode(charset), "latin1") == (GERMAN, charset, "bom")


def test_the_header_counts_before_the_page_and_the_page_before_a_guess() -> None:
    content = b'<meta charset="windows-1251">' + "é".encode("cp1252")
    assert decode(content, "iso-8859-1") == (content.decode("cp1252"), "cp1252", "header")
    assert decode(content, None) == (content.decode("cp1251"), "cp1251", "meta")
    assert decode(content, "no-such-charset") == (content.decode("cp1251"), "cp1251", "meta")


@pytest.mark.parametrize(
    "declaration",
    [
        b'<META http-equiv="Content-Type" content="text/html; charset=windows-1251">',
        b"<meta charset=windows-1251>",
        b"<meta name=x charset = 'CP1251'/>",
    ],
)
def test_the_page_may_declare_its_charset_in_many_ways(declaration: bytes) -> None:
    content = declaration + RUSSIAN.encode("cp1251")
    assert decode(content, None) == (content.decode("cp1251"), "cp1251", "meta")


def test_a_page_that_can_be_read_is_not_in_the_16_bit_charset_that_it_declares() -> None:
    content = b'<meta charset="utf-16">' + GERMAN.encode()
    assert decode(content, None) == (content.decode(), "utf-8", "meta")


def test_labels_mean_what_they_mean_to_browsers() -> None:
    assert decode("“it’s”".encode("cp1252"), "ISO-8859-1") == ("“it’s”", "cp1252", "header")
    assert decode("한국어".encode("cp949"), '"ks_c_5601-1987"') == ("한국어", "euc_kr", "header")


@pytest.mark.parametrize(("text", "charset"), [(RUSSIAN, "cp1251"), (_JAPANESE, "shift_jis"), (_JAPANESE, "euc_jp"), (GERMAN, "cp1252")])
@pytest.mark.parametrize("declared", [None, "utf-8"])
def test_what_is_not_what_it_says_is_guessed(text: str, charset: str, declared: str | None) -> None:
    found = decode(text.encode(charset) * 3, declared)
    assert found is not None
    assert (found[0], found[2]) == (text * 3, "guess")


def test_one_broken_byte_does_not_make_a_page_another_language() -> None:
    content = RUSSIAN.encode() + b"\xff" + RUSSIAN.encode()
    assert decode(content, None) == (f"{RUSSIAN}\ufffd{RUSSIAN}", "utf-8", "utf-8")
    assert decode(content, "utf-8") == (f"{RUSSIAN}\ufffd{RUSSIAN}", "utf-8", "header")


def test_an_accent_in_english_is_what_browsers_take_it_for() -> None:
    found = decode(b"The caf\xe9 on the quay", None)
    assert found is not None
    assert found[0] == "The café on the quay"


def test_a_text_with_few_broken_bytes_is_kept_and_rubble_is_not() -> None:
    words = "plain words, and more of them, and then some more of them"
    assert decode(words.encode() + b"\x81", None) == (f"{words}\ufffd", "utf-8", "damaged")
    assert decode(bytes(range(0x80, 0x100)) * 5, None) is None


@pytest.mark.parametrize("declared", [None, "utf-7", "utf-8", "utf-16", "cesu-8"])
@pytest.mark.parametrize(
    "content", [b"\xed\xa0\x80\xed\xbf\xbf", b"+2AA-", b"\x00\xd8\x00\xdc", b"\xff\xfe\x00\xd8", b"\xf4\x90\x80\x80", b""]
)
def test_no_text_has_lone_surrogates(content: bytes, declared: str | None) -> None:
    found = decode(content, declared)
    assert found is None or found[0].encode() is not None
