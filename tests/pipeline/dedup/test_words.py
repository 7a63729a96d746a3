from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dedup import words
from pipeline.dedup.words import batches, characters, hash_words, mix, room

ALONE, UNSEEN, FOLDED = 1 << 30, 1 << 31, (1 << 21) - 1


def kernel_words(text: str) -> list[int]:
    ((_, (offsets, data)),) = batches(pa.array([text]))
    out = np.empty(room(offsets), np.uint64)
    return [int(word) for word in out[: hash_words(data, 0, len(data), characters(), out)]]


def plain_words(text: str) -> list[str]:
    """The same words, in Python and folded, by the same table of characters."""
    found = [""]
    for character in text:
        entry = int(characters()[ord(character)])
        if entry & UNSEEN:
            continue
        if entry == 0 or entry & ALONE:
            found.append("")
        if entry:
            found[-1] += chr(entry & FOLDED)
        if entry & ALONE:
            found.append("")
    return [word for word in found if word]


def plain_hash(word: str) -> int:
    value = 1
    for character in word:
        value = (value ^ ord(character)) * 0x9E3779B97F4A7C15 % 2**64
    return int(mix(np.uint64(value)))


TEXT = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("aB .,\n\u00ad日本ไทย한é")), max_size=60)


@given(TEXT)
def test_the_kernel_finds_the_words_of_plain_python(text: str) -> None:
    assert kernel_words(text) == [plain_hash(word) for word in plain_words(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello,  WORLD!\n", ["hello", "world"]),
        ("don't e-mail", ["don", "t", "e", "mail"]),
        ("naïve ÉTÉ Straße", ["naïve", "été", "straße"]),
        ("ΟΔΟΣ οδος", ["οδοσ", "οδοσ"]),
        ("хлеб ХЛЕБ", ["хлеб", "хлеб"]),
        ("co\u00adop wo\u200drd ❤\ufe0f 😀", ["coop", "word"]),
        ("हिन्दी भाषा।", ["हिन्दी", "भाषा"]),
        ("日本語、text です", ["日", "本", "語", "text", "で", "す"]),
        ("ไทย", ["ไ", "ท", "ย"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("x1 ٣٤ ½", ["x1", "٣٤", "½"]),
        ("\x00 . \u200b", []),
        ("", []),
    ],
)
def test_words_are_folded_runs_or_single_characters(text: str, expected: list[str]) -> None:
    assert plain_words(text) == expected
    assert kernel_words(text) == [plain_hash(word) for word in expected]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_batches_cover_each_row_once_however_texts_are_chunked(kind: pa.DataType, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["ab", None, "", "cdefghijklmnop", "q", "rs"]
    chunked = pa.chunked_array([pa.array(["skipped", *texts[:3]], kind).slice(1), pa.array([], kind), pa.array(texts[3:], kind)])
    monkeypatch.setattr(words, "_BYTES_AT_ONCE", 3)
    seen = {}
    for first, (offsets, data) in batches(chunked):
        for row in range(len(offsets) - 1):
            seen[first + row] = bytes(data[offsets[row] : offsets[row + 1]]).decode()
            assert row == 0 or offsets[row + 1] - offsets[0] <= 3
    assert seen == {row: text or "" for row, text in enumerate(texts)}
