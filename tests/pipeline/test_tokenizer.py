from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from itertools import islice
from pydoc_data import topics

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from xxhash import xxh3_128_intdigest

from pipeline import schema, tokenizer
from pipeline.store import Store
from pipeline.tokenizer import END_OF_TEXT, PATTERNS, Document, Draw, Encoder, TokenizerConfig, encode, load, pieces, report, train
from pipeline.tokenizer.sample import draw, filled

TEXTS = [*islice(topics.topics.values(), 60), "Grüße, 世界! Ça va? Привет, мир. שלום 🙂"]
CONFIG = TokenizerConfig(vocabulary=600, sample_mb=1)


def document(source: str, split: str, text: str) -> dict[str, object]:
    return {"doc_id": schema.doc_id(source, text.encode()), "source": source, "url": None, "split": split, "text": text}


def documents() -> list[dict[str, object]]:
    split = ("train", "train", "train", "validation", "test")
    return [document(("pydoc", "site")[n % 2], split[n % 5], text) for n, text in enumerate(TEXTS)]


def corpus(store: Store, rows: list[dict[str, object]], parts: int = 1) -> str:
    """A corpus version whose fingerprint depends on its documents alone, not on their order or on how they are spread over files."""

    def write(version):
        for part in range(parts):
            own = rows[part::parts]
            columns = {name: [row[name] for row in own] for name in schema.DOCUMENTS.names}
            table = pa.table({**columns, "doc_id": schema.doc_ids(columns["doc_id"])}, schema=schema.DOCUMENTS)
            version.table(f"documents/part-{part:05}.parquet", table)
        return {}

    return store.build("corpora/small", {"documents": sorted((schema.show(row["doc_id"]), row["split"]) for row in rows)}, write).path


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("store"))
    return store, tokenizer.build(store, "small", corpus(store, documents()), CONFIG)


@pytest.fixture(scope="module", params=PATTERNS)
def encoder(request):
    return train(TEXTS, TokenizerConfig(vocabulary=400, pattern=request.param))


def test_the_same_files_for_any_order_of_documents(built, tmp_path):
    _, first = built
    rows = documents()
    random.Random(1).shuffle(rows)
    other = Store(tmp_path)
    second = tokenizer.build(other, "small", corpus(other, rows, parts=3), CONFIG)
    assert second.path == first.path
    assert second.made
    assert second.manifest.files == first.manifest.files


def test_built_once(built):
    store, first = built
    again = tokenizer.build(store, "small", corpus(store, documents()), CONFIG)
    assert (again.path, again.made) == (first.path, False)


def test_learns_from_the_train_split_alone(tmp_path):
    rows = documents()
    word = " Donaudampfschiff" * 200
    seen = {}
    for split in ("train", "validation"):
        store = Store(tmp_path / split)
        version = tokenizer.build(store, "small", corpus(store, [*rows, document("pydoc", split, word)]), CONFIG)
        seen[split] = load(store, version.path).tokenizer.get_vocab()
    assert "ĠDonaudampfschiff" in seen["train"]
    assert "ĠDonaudampfschiff" not in seen["validation"]


def test_transformers_opens_the_folder_with_the_same_ids(built):
    store, version = built
    program = """
import json, sys
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
texts = json.load(sys.stdin)
ids = tokenizer(texts).input_ids
back = tokenizer.batch_decode(ids, skip_special_tokens=True)
alone = tokenizer(texts, add_special_tokens=False).input_ids
print(json.dumps([tokenizer.bos_token, tokenizer.eos_token, tokenizer.bos_token_id, ids, alone, back]))
"""
    command = [sys.executable, "-c", program, store.path(version.path)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    texts = [*TEXTS, "", " ", "a , b . do n't"]
    run = subprocess.run(command, input=json.dumps(texts), env=environment, capture_output=True, text=True, check=True)
    beginning, end, beginning_id, ids, alone, back = json.loads(run.stdout)
    encoder = load(store, version.path)
    assert (beginning, end, beginning_id) == (END_OF_TEXT, END_OF_TEXT, encoder.beginning)
    assert ids == [tokens.tolist() for tokens in encode(encoder, texts)]
    assert ids == [encoding.ids for encoding in encoder.tokenizer.encode_batch(texts)]
    assert alone == [tokens[1:] for tokens in ids]  # what lm-eval asks for: one beginning, and none where it gives its own
    assert back == texts


@settings(max_examples=150)
@given(texts=st.lists(st.text() | st.text(f" \n\r\t\u0085a1'.{END_OF_TEXT}"), min_size=1, max_size=5))
def test_any_unicode_survives(encoder, texts):
    for text, tokens in zip(texts, encode(encoder, texts), strict=True):
        assert tokens[0] == encoder.beginning
        assert encoder.tokenizer.decode(tokens[1:].tolist(), skip_special_tokens=False) == text


def test_every_byte_is_an_entry(encoder):
    assert set(pre_tokenizers.ByteLevel.alphabet()) < set(encoder.tokenizer.get_vocab())


def test_the_name_of_a_special_token_in_a_text_is_text(built):
    store, version = built
    encoder = load(store, version.path)
    (tokens,) = encode(encoder, [f"how {END_OF_TEXT} is used"])
    assert np.count_nonzero(tokens == encoder.beginning) == 1


def test_a_long_run_of_white_space_is_encoded(monkeypatch):
    encoder = train(TEXTS, TokenizerConfig(vocabulary=300))
    monkeypatch.setattr(pieces, "BLANK_CHARS", 100)
    for text in (" " * 100, " " * 1000 + "x", "a" + "\n\t" * 130 + "b  c", "x " * 300):
        assert encoder.tokenizer.decode(encode(encoder, [text])[0][1:].tolist()) == text
    assert [len(piece) for piece in pieces.pieces("a" + " " * 250 + "b")] == [101, 100, 51]
    assert pieces.pieces("x " * 300) == ["x " * 300]


@given(sizes=st.lists(st.integers(0, 50), min_size=1, max_size=30), limit=st.integers(1, 300), seed=st.integers(0, 9), shuffle=st.randoms())
def test_a_draw_is_the_longest_prefix_by_hash_that_fits(sizes, limit, seed, shuffle):
    offered = [Document(n.to_bytes(16, "big"), "s", "x" * size) for n, size in enumerate(sizes)]
    by_hash = sorted(offered, key=lambda item: xxh3_128_intdigest(item.doc_id, seed))
    fits = np.cumsum([len(item.text) for item in by_hash]) <= limit
    expected = by_hash[: max(1, len(fits) if fits.all() else int(np.argmin(fits)))]
    shuffle.shuffle(offered)
    drawn = Draw(limit, seed)
    for item in offered:
        drawn.offer(item)
    assert drawn.documents() == sorted(expected)


def test_the_sample_is_bounded(tmp_path):
    store = Store(tmp_path)
    rows = [document("pydoc", "train", f"{n} " + "lorem ipsum " * 8000) for n in range(20)]
    version = tokenizer.build(store, "small", corpus(store, rows), CONFIG)
    assert 900_000 < version.manifest.counts["bytes"] <= 1_000_000


def test_report_counts_by_split_source_and_language(built):
    store, version = built
    encoder = load(store, version.path)
    found = store.table(f"{version.path}/report.parquet").to_pylist()
    assert {(row["split"], row["source"]) for row in found} == {
        (split, source) for split in ("train", "validation", "test") for source in ("pydoc", "site")
    }
    used = {encoder.beginning}
    for row in found:
        own = [item["text"] for item in documents() if (item["split"], item["source"]) == (row["split"], row["source"])]
        tokens = [encoding.ids for encoding in encoder.tokenizer.encode_batch(own, add_special_tokens=False)]
        assert row["language"] == "und"
        assert row["documents"] == len(own)
        assert row["bytes"] == sum(len(text.encode()) for text in own)
        assert row["words"] == sum(len(text.split()) for text in own)
        assert row["tokens"] == sum(map(len, tokens))
        assert row["bytes_per_token"] == pytest.approx(row["bytes"] / row["tokens"], abs=1e-4)
        assert row["words_per_token"] == pytest.approx(row["words"] / row["tokens"], abs=1e-4)
        assert row["round_trip_failures"] == 0
        if row["split"] == "train":
            used.update(*tokens)
    vocabulary = encoder.tokenizer.get_vocab()
    unused = json.loads(store.read(f"{version.path}/unused_entries.json"))
    assert set(unused) == {entry for entry, token in vocabulary.items() if token not in used}
    assert version.manifest.counts["unused_entries"] == len(unused)
    assert version.manifest.counts["vocabulary"] == len(vocabulary) == 600


def test_a_tokenizer_that_loses_text_is_refused_or_counted():
    encoder = train(TEXTS, CONFIG)
    encoder.tokenizer.normalizer = normalizers.Lowercase()
    shouted, quiet = Document(bytes(16), "s", "LOUD"), Document(bytes(15) + b"1", "s", "quiet")
    with pytest.raises(ValueError, match="00000000-0000-0000-0000-000000000000 was expected to decode to its own text"):
        report(encoder, {"train": [shouted, quiet]})
    (row,) = report(encoder, {"train": [shouted, quiet]}, lossless=False).samples.to_pylist()
    assert (row["round_trip_failures"], row["documents"]) == (1, 2)


def test_many_texts_are_encoded_in_bounded_groups(monkeypatch):
    encoder = train(TEXTS, CONFIG)
    whole = encode(encoder, TEXTS)
    monkeypatch.setattr(pieces, "GROUP_CHARS", 5000)
    assert max(len(group) for group in pieces.groups(TEXTS)) < len(TEXTS) / 2
    assert all(map(np.array_equal, whole, encode(encoder, TEXTS)))


@pytest.mark.parametrize(("entries", "width"), [(65_536, np.uint16), (65_537, np.uint32)])
def test_tokens_are_as_narrow_as_the_vocabulary_allows(entries, width):
    made = Tokenizer(models.BPE({str(entry): entry for entry in range(entries)}, []))
    assert Encoder(made, 0).width == width
    assert encode(Encoder(made, entries - 1), [""])[0].tolist() == [entries - 1]


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"vocabulary": 256}, "vocabulary"),
        ({"vocabulary": "8192"}, "vocabulary"),
        ({"pattern": "gpt5"}, "pattern"),
        ({"sample_mb": 0}, "sample_mb"),
        ({"seed": -1}, "seed"),
        ({"digits": 4}, "digits"),
        ({"multiple": 0}, "multiple"),
        ({"sources": {"a": 0}}, "sources"),
        ({"special_tokens": ["<|a|>", "<|a|>"]}, "differ from each other"),
        ({"special_tokens": [END_OF_TEXT]}, "differ from each other"),
        ({"special_tokens": ["<|a|>"], "vocabulary": 257}, "at least 258"),
        ({"beginning": "<s>"}, "beside `from` alone"),
        ({"from": "none.json"}, "a tokenizer.json that exists, or a folder with one, not 'none.json'"),
        ({"vocabulry": 8192}, "vocabulry"),
    ],
)
def test_bad_settings_are_refused_by_name(settings, key):
    with pytest.raises(ValidationError, match=key):
        TokenizerConfig(**settings)


def test_no_corpus_and_no_train_documents_are_errors(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(ValueError, match="corpora/none: a finished corpus was expected"):
        tokenizer.build(store, "small", "corpora/none", CONFIG)
    with pytest.raises(ValueError, match="documents in the split 'train' were expected"):
        tokenizer.build(store, "small", corpus(store, [document("s", "test", "text")]), CONFIG)
    with pytest.raises(ValueError, match="a split of train, validation, test was expected, not 'dev'"):
        tokenizer.build(store, "small", corpus(store, [document("s", "dev", "text")]), CONFIG)
    with pytest.raises(ValueError, match="tokenizers/none: a finished tokenizer was expected"):
        load(store, "tokenizers/none")


def test_the_same_file_with_any_number_of_threads(tmp_path):
    program = """
import json, sys
from pipeline.tokenizer import TokenizerConfig, train
print(train(json.load(sys.stdin), TokenizerConfig(vocabulary=2000)).tokenizer.to_str())
"""
    made = [
        subprocess.run(
            [sys.executable, "-c", program],
            input=json.dumps(TEXTS),
            env={**os.environ, "RAYON_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "4")
    ]
    assert made[0] == made[1]
    assert len(json.loads(made[0])["model"]["merges"]) > 1000


def test_special_tokens_and_padding_are_entries_that_no_text_has():
    config = TokenizerConfig(vocabulary=500, multiple=64, special_tokens=["<|user|>", "<s>"])
    encoder = train([*TEXTS, "<|user|> <s> <|reserved_0|>" * 50], config)
    assert encoder.vocabulary == 512
    special = {encoder.tokenizer.token_to_id(name) for name in (END_OF_TEXT, "<|user|>", "<s>", "<|reserved_0|>", "<|reserved_11|>")}
    assert None not in special
    (tokens,) = encode(encoder, ["<|user|><s> <|reserved_0|> <|reserved_11|>"])
    assert not special & set(tokens[1:].tolist())


def test_a_special_token_that_text_merges_into_is_refused():
    with pytest.raises(ValueError, match="not 'PAD': text may be merged into it"):
        train(TEXTS, TokenizerConfig(vocabulary=300, special_tokens=["PAD"]))


@pytest.mark.parametrize(
    ("weights", "sizes", "expected"),
    [
        ({"a": 1, "b": 3}, {"a": 1000, "b": 1000}, {"a": 25, "b": 75}),
        ({"a": 1, "b": 3}, {"a": 1000, "b": 30}, {"a": 70, "b": 30}),
        ({"a": 1, "b": 1, "c": 2}, {"a": 10, "b": 1000, "c": 40}, {"a": 10, "b": 50, "c": 40}),
        ({"a": 1}, {"a": 7}, {"a": 7}),
    ],
)
def test_shares_follow_weights_and_what_one_lacks_goes_to_the_others(weights, sizes, expected):
    given = {(name, ""): weight for name, weight in weights.items()}
    found = filled(given, {(name, ""): size for name, size in sizes.items()}, 100)
    assert {name: size for (name, _), size in found.items()} == expected


def signals(store: Store, languages: dict[bytes, str | None]) -> str:
    """A shard that says the languages of documents."""

    def write(version):
        columns = {"doc_id": schema.doc_ids(list(languages)), "language_code": list(languages.values())}
        version.table("signals/part-00000.parquet", pa.table(columns))
        return {}

    return store.build("shards", {"languages": len(languages)}, write).manifest.fingerprint


def test_the_sample_is_drawn_by_source_and_language(tmp_path):
    store = Store(tmp_path)
    rows = [document(("web", "wiki")[n % 2], "train", f"{n:4} " + "x" * 995) for n in range(4000)]
    languages = {row["doc_id"]: ("en", "de", None)[n % 3] for n, row in enumerate(rows)}
    shard = signals(store, languages)

    def write(version):
        columns = {name: [row[name] for row in rows] for name in schema.DOCUMENTS.names}
        version.table(
            "documents/part-00000.parquet", pa.table({**columns, "doc_id": schema.doc_ids(columns["doc_id"])}, schema=schema.DOCUMENTS)
        )
        return {}

    path = store.build("corpora/weighted", {"shards": [shard]}, write).path
    manifest = store.manifest(path)

    def shares(**settings):
        drawn = draw(store, path, manifest, TokenizerConfig(sample_mb=1, **settings))["train"]
        assert all(one.language == (languages[one.doc_id] or "und") for one in drawn)
        count = len(drawn)
        assert count in range(996, 1001)
        of = lambda field, value: round(sum(getattr(one, field) == value for one in drawn) / count, 2)  # noqa: E731
        return [of("source", "wiki"), of("language", "de"), of("language", "und")]

    assert shares(sources={"wiki": 3, "web": 1})[0] == 0.75
    assert shares(languages={"de": 1, "en": 4})[1:] == [0.2, 0.0]
    assert shares(sources={"wiki": 1}, languages={"de": 1, "und": 1}) == [1.0, 0.5, 0.5]
    assert shares()[0] == pytest.approx(0.5, abs=0.06)
    with pytest.raises(ValueError, match="documents of the language 'fr' were expected in 'train'"):
        shares(languages={"fr": 1})
