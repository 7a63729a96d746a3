"""Scripts without spaces are cut into words by ICU's dictionaries, and nothing else is."""

# ruff: noqa: RUF001  # these marks are meant

from __future__ import annotations

import time

import numpy as np
import pyarrow as pa
import pytest
from icu4py.breakers import WordBreaker
from nasty import CHINESE, PROSE, THAI
from words_of import words_of

from pipeline.kernels.unspaced import MOST_CHARS
from pipeline.kernels.words import HAS_LETTER, HAS_NON_SYMBOL, words
from pipeline.steps import gopher_quality

# Real sentences, and their words as ICU has them.
SENTENCES = {
    "Chinese": "那天 早上 港口 很 安静 ， 码头 上 的 人 没有 什么 事情 可 做 。",
    "Japanese": "その 朝 、 港 は 静か で 、 埠頭 で 働く 人々 は 話 を する ほかに ほとんど する こと が なか っ た 。",
    "Thai": "เช้า วัน นั้น ท่าเรือ เงียบ สงบ และ คน งาน บน ท่าเรือ แทบ ไม่มี อะไร ทำ",
    "Lao": "ຕອນເຊົ້າ ມື້ ນັ້ນ ທ່າເຮືອ ງຽບ ສະຫງົບ ແລະ ຄົນງານ ບໍ່ມີ ຫຍັງ ເຮັດ",
    "Khmer": "ព្រឹក នោះ កំពង់ផែ ស្ងប់ស្ងាត់ ហើយ មនុស្ស ដែល ធ្វើការ នៅ លើ កំពង់ផែ មិន មាន អ្វី ធ្វើ",
    "Burmese": "ထို မနက် တွင် ဆိပ်ကမ်း သည် တိတ်ဆိတ် နေ ပြီး ဆိပ်ခံ တံတား ပေါ် ရှိ လူ များသည် စကားပြော ရန် သာ ရှိ သည် ။",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_is_cut_as_icu_cuts_it(language: str) -> None:
    expected = SENTENCES[language].split()
    assert words_of("".join(expected)) == expected


def test_words_around_keep_their_rules() -> None:
    assert words_of("I don't know 中文, e.g. U.S.-based カタカナ(well-known)") == [
        *("I", "do", "n't", "know", "中文", ",", "e.g.", "U.S.-based", "カタカナ", "(", "well", "-", "known", ")"),
    ]
    assert words_of("A中文b12 3月") == ["A", "中文", "b12", "3", "月"]


def test_characters_of_the_planes_above_do_not_shift_the_words_behind_them() -> None:
    text = "𠀀𠀁中文😀港口很安静"
    found = words_of(text)
    assert "".join(found) == text
    assert found[-3:] == ["港口", "很", "安静"]


def test_what_a_word_is_made_of_is_told_of_its_pieces() -> None:
    text = "安静，𠀀。١"
    found = words(pa.array([text]))
    assert words_of(text) == ["安静", "，", "𠀀", "。", "١"]
    assert found.chars.tolist() == [2, 1, 1, 1, 1]
    assert [bool(flag & HAS_LETTER) for flag in found.flags] == [True, False, True, False, False]
    assert [bool(flag & HAS_NON_SYMBOL) for flag in found.flags] == [True, False, True, False, True]
    again = words(pa.array(["安静 ， 𠀀 。 ١"]))
    assert found.hashes.tolist() == again.hashes.tolist()


def test_each_row_has_its_own_words() -> None:
    texts = [CHINESE, None, PROSE, "", THAI, "a中b"]
    whole = words(pa.array(texts))
    alone = [len(words(pa.array([text], pa.string())).starts) for text in texts]
    assert np.diff(whole.row_offsets).tolist() == alone
    assert whole.starts[whole.row_offsets[4] : whole.row_offsets[5]].tolist() == words(pa.array([THAI])).starts.tolist()


def test_texts_without_such_scripts_are_not_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.kernels.unspaced.WordBreaker", None)
    assert words_of("Привет, мир — नमस्ते 한국어 été")[:2] == ["Привет", ","]
    with pytest.raises(TypeError):
        words_of("港口")


@pytest.mark.parametrize("chars", [MOST_CHARS - 1, MOST_CHARS, MOST_CHARS + 1, 2 * MOST_CHARS + 1])
def test_a_run_without_end_is_cut_at_its_bound(chars: int) -> None:
    text = ("ภาษาไทย" * chars)[:chars]
    found = words_of(text)
    assert "".join(found) == text
    ends = np.cumsum([len(word) for word in found]).tolist()
    assert set(range(MOST_CHARS, chars, MOST_CHARS)) <= set(ends)
    assert found[:50] == [text[start:end] for start, end in list(WordBreaker(text, "und").segments())[:50]]


@pytest.mark.parametrize("text", ["ก", "ำ", "กา", "\u17d2", "က", "ア", "ﾜ", "那", "𠀀", "中a", "ก\u0e34\u0e34"])
def test_hostile_texts_take_linear_time(text: str) -> None:
    long = text * (1_000_000 // len(text.encode()))
    words_of(text)
    before = time.process_time()
    assert "".join(words_of(long)) == long
    assert time.process_time() - before < 5


def test_gopher_counts_the_words_of_chinese() -> None:
    batch = pa.record_batch({"text": [CHINESE, PROSE]})
    signals = gopher_quality.run(batch, gopher_quality.Config()).signals
    words_of_chinese, words_of_prose = signals["words"].to_pylist()
    assert words_of_chinese == 29
    assert words_of_prose == len(PROSE.split())
    assert 1 < signals["mean_word_chars"][0].as_py() < 2
