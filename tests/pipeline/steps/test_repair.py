"""Accidents are undone, and nothing that a writer may have meant."""

# ruff: noqa: RUF001  # these characters are meant

from __future__ import annotations

from typing import Any

import ftfy
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nasty import ARABIC, CHINESE, GERMAN, NASTY, PROSE, RUSSIAN, THAI, text_batch

from pipeline.steps import repair
from pipeline.steps.repair import Config

CASES: dict[str, tuple[str, str]] = {}


def mend(text: str, **settings: Any) -> tuple[str, dict[str, Any]]:
    """The text, and its signals."""
    result = repair.run(text_batch([text]), Config(**settings))
    assert result.text is not None
    return result.text[0].as_py(), {name: array[0].as_py() for name, array in result.signals.items()}


CLEAN = {"mojibake": False, "entities": 0, "control_chars": 0}


@pytest.mark.parametrize(
    "text", ["", PROSE, GERMAN, RUSSIAN, CHINESE, ARABIC, THAI, "a\tb\nc", "“It’s” ﬁne, ＦＵＬＬ width… l’œuvre", "Ｃ“x”", "日本\u200b語"]
)
def test_sound_text_stays_as_it_is(text: str) -> None:
    assert mend(text) == (text, CLEAN)


@pytest.mark.parametrize("text", [GERMAN, RUSSIAN, "It’s “quoted” — and naïve…", "l’été à la mer"])
@pytest.mark.parametrize("wrong", ["cp1252", "latin-1", "cp1251"])
def test_utf_8_that_was_read_as_something_else_is_read_again(text: str, wrong: str) -> None:
    try:
        broken = text.encode().decode(wrong)
    except UnicodeDecodeError:
        pytest.skip(f"{wrong} has no character for some byte")
    assert mend(broken) == (text, {**CLEAN, "mojibake": True})


def test_mojibake_is_mended_twice_where_it_was_made_twice() -> None:
    broken = GERMAN.encode().decode("latin-1").encode().decode("latin-1")
    assert mend(broken) == (GERMAN, {**CLEAN, "mojibake": True})


def test_a_broken_line_among_others_is_mended_alone() -> None:
    assert mend(f"{RUSSIAN}\nschÃ¶n\n{CHINESE}")[0] == f"{RUSSIAN}\nschön\n{CHINESE}"


@pytest.mark.timeout(20)
def test_surrogates_that_were_encoded_one_by_one_take_no_longer_than_their_length() -> None:
    face = "".join(chr(half) for half in (0xD83D, 0xDE00)).encode("utf-8", "surrogatepass").decode("latin-1")
    assert mend(face * 200_000) == ("😀" * 200_000, {**CLEAN, "mojibake": True})


@pytest.mark.parametrize("text", [GERMAN, RUSSIAN, "日本語のテキスト", "l’été à la mer. "])
def test_a_line_longer_than_a_piece_is_mended_as_a_short_one(text: str) -> None:
    meant = text.replace("\n", " ") * (9000 // len(text))
    assert mend(meant.encode().decode("latin-1"))[0] == meant


@given(st.text(st.sampled_from("aé í½¸Ã "), max_size=60), st.integers(0, 400))
@settings(max_examples=200)
def test_pieces_make_up_the_line_and_are_bounded(unit: str, times: int) -> None:
    pieces = repair.pieces(unit * times)
    assert "".join(pieces) == unit * times
    assert all(0 < len(piece) <= 4000 for piece in pieces)


def test_a_line_is_cut_where_no_sequence_of_bytes_stands() -> None:
    assert [len(piece) for piece in repair.pieces("a" * 3989 + " " + "Ã¶" * 100)] == [3990, 200]  # behind the space
    assert [len(piece) for piece in repair.pieces("\xe6\x97\xa5" * 1400)] == [3999, 201]
    assert [len(piece) for piece in repair.pieces("\xed\xa0\xbd\xed\xb8\x80" * 700)] == [3996, 204]
    assert [len(piece) for piece in repair.pieces("a" * 4001)] == [4000, 1]
    assert [len(piece) for piece in repair.pieces("a" * 4000)] == [4000]


def test_control_characters_go_and_are_counted() -> None:
    assert mend("a\0b\x07c\ufeffd\x7f") == ("abcd", {**CLEAN, "control_chars": 4})


def test_terminal_escapes_go_as_a_whole() -> None:
    assert mend("\x1b[31mred\x1b[0m")[0] == "red"


@pytest.mark.parametrize("line_break", ["\r\n", "\r", "\v", "\f", "\u2028", "\u2029"])
def test_every_line_break_is_a_line_feed(line_break: str) -> None:
    assert mend(f"a{line_break}b") == ("a\nb", CLEAN)


def test_letters_are_composed() -> None:
    assert mend("cafe\u0301")[0] == "café"


def test_left_over_entities_are_read() -> None:
    assert mend("Fish &amp; chips &#8211; &eacute;&#xe9;") == ("Fish & chips – éé", {**CLEAN, "entities": 4})


@pytest.mark.parametrize("text", ["Write &amp; for an ampersand in <b>", "AT&T", "&copy", "a && b &x; &bogus;", "R&D; x &1;"])
def test_what_may_be_meant_is_no_entity(text: str) -> None:
    assert mend(text) == (text, CLEAN)


def test_one_level_of_entities_is_read() -> None:
    assert mend("&amp;amp;")[0] == "&amp;"


def test_entities_stay_where_the_recipe_says_so() -> None:
    assert mend("Fish &amp; chips", unescape_entities=False)[0] == "Fish &amp; chips"


def test_what_entities_hide_is_repaired_too() -> None:
    assert mend("sch&Atilde;&para;n &#0;&#13;x")[0] == "schön \ufffd\nx"


@given(st.text(st.sampled_from("ÃÂâ€™œ©¶Ã¤¼ž\x9d\x80 aé—“”ВР°µабв\xa0&;#<"), max_size=30))
@settings(max_examples=300)
def test_the_gate_lets_through_all_that_ftfy_would_mend(text: str) -> None:
    fixed = ftfy.fix_text(text, repair.ENCODING_ONLY)
    assert mend(text, unescape_entities=False)[1]["mojibake"] == (fixed != text)


def test_rows_that_need_nothing_are_passed_on_in_one_piece() -> None:
    batch = text_batch([PROSE, "a\0", GERMAN])
    result = repair.run(batch.slice(1), Config())
    assert result.text is not None
    assert result.text.to_pylist() == ["a", GERMAN]
    assert result.text.type == pa.string()


@pytest.mark.parametrize("name", [name for name, text in NASTY.items() if len(text) < 200_000])
def test_no_control_character_is_left(name: str) -> None:
    text, _ = mend(NASTY[name])
    assert not {character for character in text if character < " " and character not in "\n\t"} | (set(text) & {"\x7f", "\x85", "\ufeff"})


@pytest.mark.timeout(20)
def test_marks_without_end_take_no_time() -> None:
    text = "e" + "\u0301\u0323" * 500_000  # in composed order these stand the other way round
    assert mend(text) == (text, CLEAN)
    assert mend("e\u0301\u0323")[0] == "\u1eb9\u0301"
