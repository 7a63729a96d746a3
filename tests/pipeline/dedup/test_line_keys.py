from __future__ import annotations

import re
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.dedup.line_keys import NO_KEY, characters, line_keys
from pipeline.kernels.strings import hashes


def normal_form(line: str) -> str:
    """What the keys are hashes of, said in another way; for characters that Unicode 3.2 knows."""
    folded = "".join(folded if len(folded := character.casefold()) == 1 else character for character in line)
    bare = "".join(character for character in unicodedata.normalize("NFD", folded) if unicodedata.category(character) not in ("Mn", "Me"))
    letters = "".join(character for character in bare if character.isspace() or unicodedata.category(character)[0] in "LMN")
    numbers = "".join("0" if unicodedata.category(character) == "Nd" else character for character in letters)
    return re.sub("0+", "0", " ".join(numbers.split()))


ALPHABET = "aZé \t\u00a0\u3000ÅßñÐжЙ中日あ٣7 90.,-—𐌰𠀀«»|$€\u0301\u00ad\u200b\u200d…"


@given(st.text(ALPHABET))
@example("ÀÉÎ õü, Ça-va?")
@example("Page 9 of 1,024")
@example("7 7")
@example("\u0301")
@example("\u3000a\u3000\u3000b\u3000")
def test_a_key_is_the_hash_of_the_normal_form(line: str) -> None:
    keys = line_keys(pa.array([line], pa.string()))
    form = normal_form(line)
    if not form:
        assert (keys.keys == NO_KEY).all()
        return
    assert keys.keys.tolist() == hashes(pa.array([form])).tolist()
    assert keys.chars.tolist() == [len(form.replace(" ", ""))]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Home | About us", "HOME   about us", True),
        ("« Précédent »", "precedent", True),
        ("page 9 of 10", "Page 10 of 1,000", True),
        ("3 comments", "\u0663 comments", True),
        ("co\u00adokie", "cookie", True),
        ("Straße", "STRASSE", False),
        ("no comments", "3 comments", False),
        ("about us", "aboutus", False),
        ("中文", "中国", False),
        ("각", "가", False),
        ("\U0001f600", "\U0001f601", True),  # symbols
    ],
)
def test_what_makes_two_lines_one(one: str, other: str, same: bool) -> None:
    keys = line_keys(pa.array([f"x\n{one}", f"{other}\r\nx"])).keys.tolist()
    assert (keys[1] == keys[2]) is same


def test_the_table_has_a_form_for_every_code_point() -> None:
    assert len(characters()) == 0x110000
    assert characters()[ord("\U0002f800")] == 0x2F800


@pytest.mark.parametrize("array", [["a\n\nB", None, "", "a"], [], [None]])
def test_slices_nulls_and_large_strings_have_the_same_keys(array: list[str | None]) -> None:
    plain = pa.array(array, pa.string())
    padded = pa.array(["zero\none", *array, "last"], pa.large_string()).slice(1, len(array))
    one, other = line_keys(plain), line_keys(padded)
    assert one.keys.tolist() == other.keys.tolist()
    assert one.table.row_offsets.tolist() == other.table.row_offsets.tolist()
    assert len(one.keys) == sum(len((text or "").splitlines()) for text in array)
