"""Every engine gives the tokens of `tokenizers`, or says that it cannot."""

from __future__ import annotations

import logging
import random
import sys
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nasty import ARABIC, CHINESE, GERMAN, NASTY, RUSSIAN, THAI
from test_tokenizer import TEXTS
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from pipeline.tokenizer import END_OF_TEXT, PATTERNS, Encoder, TokenizerConfig, encode, pieces, train
from pipeline.tokenizer.encoder import begin_with
from pipeline.tokenizer.engines import Engine, engine, remembering

SCRIPTS = [ARABIC, CHINESE, GERMAN, RUSSIAN, THAI, TEXTS[-1]] * 2
FAST = ("tiktoken", "gigatoken")
ASSIGNED = st.characters(exclude_categories=["Cs"])


@cache
def trained(pattern: str, digits: int | None = None) -> Encoder:
    """A tokenizer of many scripts, one for all tests."""
    return train([*TEXTS[::3], *SCRIPTS], TokenizerConfig(vocabulary=1500, pattern=pattern, digits=digits))


@cache
def made(name: str, pattern: str = "gpt4") -> Engine:
    """An engine for it, which must be the one that was asked for."""
    found = engine(trained(pattern), name)
    assert found.name == name
    return found


def same(encoder: Encoder, fast: Engine, texts: list[str]) -> None:
    """The tokens of texts by the engine and by tokenizers."""
    for text, ours, expected in zip(texts, encode(encoder, texts, fast.encode), encode(encoder, texts), strict=True):
        assert np.array_equal(ours, expected), text[:200]
        assert ours.dtype == expected.dtype


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("name", FAST)
def test_real_and_nasty_texts(name, pattern):
    same(
        trained(pattern),
        made(name, pattern),
        [*TEXTS[::9], *(text[:20_000] for text in NASTY.values()), "", END_OF_TEXT, f"a {END_OF_TEXT}<s>"],
    )


@settings(max_examples=100)
@pytest.mark.parametrize("name", FAST)
@given(texts=st.lists(st.text(ASSIGNED) | st.text(" \n\r\t\u0085a1'.!ſKſs\u0301世"), min_size=1, max_size=20))  # noqa: RUF001
def test_any_unicode(name, texts):
    same(trained("gpt4"), made(name), texts)


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("sign", ["a", "A", " ", "\n", "7", "\u0301", "!", "世", " \t", "\r\n", "e\u0301", "🙂"])
def test_a_hundred_thousand_of_one_sign(name, sign):
    text = sign * (100_000 // len(sign))
    same(trained("gpt4"), made(name), [text, f"{text}x", f"x{text}"])


@pytest.mark.verify
@pytest.mark.parametrize("pattern", ["gpt2", "gpt4", "o200k"])
@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("sign", ["a", "A", " ", "\n", "7", "\u0301", "!", "世", " \t", "\r\n", "e\u0301", "🙂", "ab"])
def test_a_million_of_one_sign(name, sign, pattern):
    text = sign * (1_000_000 // len(sign))
    same(trained(pattern), made(name, pattern), [text, f"{text}x"])


@pytest.mark.verify
@pytest.mark.parametrize("pattern", PATTERNS)
def test_5000_documents_of_20_languages_and_10000_random_strings(pattern, translated_pages):
    documents = [paragraph for page in translated_pages for paragraph in page.paragraphs]
    languages = {page.language for page in translated_pages}
    assert len(documents) >= 5000
    assert len(languages) >= 20
    rnd = random.Random(11)
    planes = [(0, 0x80), (0x80, 0x800), (0x800, 0xD800), (0xE000, 0x10000), (0x10000, 0x110000)]
    signs = lambda: chr(rnd.randrange(*rnd.choice(planes))) if rnd.random() < 0.7 else rnd.choice(" \n'1a.")  # noqa: E731
    strings = ["".join(signs() for _ in range(rnd.randrange(1, 60))) for _ in range(10_000)]
    encoder = train(documents[::4], TokenizerConfig(vocabulary=20_000, pattern=pattern))
    for name in FAST:
        fast = engine(encoder, name)
        assert fast.name == name
        same(encoder, fast, documents)
        same(encoder, fast, strings)


def test_every_sign_of_unicode_is_of_one_kind_to_both():
    """Letters, numbers, marks and blanks are told by tables of a Unicode version, which libraries may come to have different ones of."""
    signs = "".join(chr(sign) for sign in range(0x110000) if not 0xD800 <= sign < 0xE000)
    for kind in (r"\p{L}", r"\p{N}", r"\p{M}", r"\s", r"\p{Lu}", r"\p{Lt}", r"\p{Lm}", r"\p{Lo}", r"\p{Ll}"):
        import tiktoken

        coding = tiktoken.Encoding("x", pat_str=kind, mergeable_ranks={bytes([n]): n for n in range(256)}, special_tokens={"<|x|>": 256})
        others = "".join(piece for piece, _ in pre_tokenizers.Split(Regex(kind), "removed").pre_tokenize_str(signs))
        assert set(coding.decode(coding.encode_ordinary(signs))) == set(signs) - set(others)


def foreign(**settings: object) -> Tokenizer:
    """Bytes and the merges ab, bc, abc: small enough to be wrong in one way at a time."""
    entries = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "ab", "bc", "abc", END_OF_TEXT]
    merges = settings.pop("merges", [("a", "b"), ("b", "c"), ("ab", "c")])
    made = Tokenizer(models.BPE({entry: number for number, entry in enumerate(entries)}, merges, **settings))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    made.add_special_tokens([END_OF_TEXT])
    return made


def lowercase(made: Tokenizer) -> None:
    made.normalizer = normalizers.Lowercase()


def plain_entry(made: Tokenizer) -> None:
    made.add_tokens([AddedToken("hello", special=False)])


def prefixed(made: Tokenizer) -> None:
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)


def cut_twice(made: Tokenizer) -> None:
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(), pre_tokenizers.ByteLevel(add_prefix_space=False)])


@pytest.mark.parametrize(
    ("change", "settings", "why"),
    [
        (lowercase, {}, "it changes the text first"),
        (plain_entry, {}, "an added entry that is found in texts: 'hello'"),
        (prefixed, {}, "it does not cut the text as byte-level tokenizers do"),
        (cut_twice, {}, "it cuts the text more than once"),
        (None, {"merges": [("b", "c"), ("a", "b"), ("ab", "c")]}, "an entry that its merges do not make"),
        (None, {"merges": [("a", "b"), ("ab", "c")], "ignore_merges": True}, "an entry that no merge makes"),
        (None, {"dropout": 0.5}, "it is no plain byte-pair encoding"),
    ],
)
def test_what_an_engine_cannot_express_is_left_to_tokenizers_and_said(change, settings, why, caplog):
    made = foreign(**settings)
    if change:
        change(made)
    with caplog.at_level(logging.WARNING):
        assert engine(begin_with(made, END_OF_TEXT), "tiktoken").name == "tokenizers"
    assert why in caplog.text


def test_a_tokenizer_whose_numbers_are_not_its_ranks():
    numbers = random.Random(5).sample(range(260), 260)
    entries = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "ab", "bc", "abc", END_OF_TEXT]
    made = Tokenizer(models.BPE(dict(zip(entries, numbers, strict=True)), [("a", "b"), ("b", "c"), ("ab", "c")]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    encoder = begin_with(made, END_OF_TEXT)
    for name in FAST:
        fast = engine(encoder, name)
        assert fast.name == name
        same(encoder, fast, ["abcbcabab abc ccbaab", *TEXTS[:3]])


def test_gigatoken_falls_back_where_it_does_not_know_the_pattern(caplog):
    found = engine(trained("o200k", 1), "gigatoken")
    assert found.name == "tiktoken"
    assert "the engine gigatoken cannot stand in" in caplog.text
    same(trained("o200k", 1), found, TEXTS[:5])


def test_without_gigatoken_the_default_stands_in(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "gigatoken", None)
    assert engine(trained("gpt4"), "gigatoken").name == "tiktoken"
    assert "it is the extra `gigatoken`" in caplog.text


def test_gigatoken_forgets_after_so_much_text(monkeypatch):
    fast = engine(trained("gpt4"), "gigatoken")
    owner = fast.encode.__self__
    before = owner._coding
    monkeypatch.setattr(remembering, "RENEW_BYTES", sum(len(text.encode()) for text in TEXTS) * 3 // 2)
    same(trained("gpt4"), fast, TEXTS)
    assert owner._coding is before
    same(trained("gpt4"), fast, TEXTS)
    same(trained("gpt4"), fast, TEXTS)
    assert owner._coding is not before


def test_white_space_that_is_too_long_for_tiktoken_costs_no_text(monkeypatch):
    monkeypatch.setattr(pieces, "BLANK_CHARS", 400_000)
    text = "a" + " \t" * 300_000 + "b"
    same(trained("gpt4"), made("tiktoken"), [text])
    assert trained("gpt4").tokenizer.decode(encode(trained("gpt4"), [text], made("tiktoken").encode)[0][1:].tolist()) == text
