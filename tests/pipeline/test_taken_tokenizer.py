"""A tokenizer from elsewhere keeps its tokens, whatever it is, and begins documents with what it was told to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from test_tokenizer import TEXTS, corpus, documents
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer

from pipeline import recipe, tokenizer
from pipeline.store import Store
from pipeline.tokenizer import TokenizerConfig, encode, load


def foreign(normal: bool = False, special: bool = True) -> Tokenizer:
    """A tokenizer as others make it: GPT-2's cutting without a word of it, and its own names for its special tokens."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    if normal:
        made.normalizer = normalizers.Lowercase()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False))
    if special:
        made.add_special_tokens([AddedToken("<s>", special=True), AddedToken("</s>", special=True)])
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A transformers folder."""
    foreign().save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"bos_token": {"content": "<s>"}, "eos_token": "</s>"}))
    return tmp_path


def taken(place: Path, root: Path, **settings: object):
    """The version that a recipe makes of it."""
    store = Store(root)
    config = TokenizerConfig.model_validate({"from": str(place), "sample_mb": 1, **settings})
    return store, tokenizer.build(store, "taken", corpus(store, documents()), config)


def test_a_folder_is_taken_as_it_is(folder, tmp_path):
    store, version = taken(folder, tmp_path / "root")
    encoder = load(store, version.path)
    assert encoder.tokenizer.id_to_token(encoder.beginning) == "<s>"
    expected = [encoding.ids for encoding in foreign().encode_batch(TEXTS)]
    assert [tokens[1:].tolist() for tokens in encode(encoder, TEXTS)] == expected
    opened = AutoTokenizer.from_pretrained(store.path(version.path))
    assert opened(TEXTS[0]).input_ids == [encoder.beginning, *expected[0]]
    assert (opened.bos_token, opened.eos_token) == ("<s>", "<s>")
    assert version.manifest.counts["round_trip_failures"] == 0


def test_it_is_known_by_its_content(folder, tmp_path):
    first = taken(folder, tmp_path / "one")[1]
    (elsewhere := tmp_path / "elsewhere").mkdir()
    for file in folder.glob("*.json"):
        (elsewhere / file.name).write_bytes(file.read_bytes())
    assert taken(elsewhere, tmp_path / "two")[1].path == first.path
    (elsewhere / "tokenizer_config.json").write_text('{"bos_token": "</s>"}')
    assert taken(elsewhere, tmp_path / "three")[1].path != first.path


def test_a_file_alone_is_told_what_begins_a_document(folder, tmp_path):
    file = folder / "tokenizer.json"
    with pytest.raises(ValueError, match=r"expected a bos_token or eos_token in tokenizer_config.json, or `beginning` beside `from`"):
        taken(file, tmp_path / "none")
    with pytest.raises(ValueError, match="expected the entry '<bos>', which is to begin a document"):
        taken(file, tmp_path / "wrong", beginning="<bos>")
    store, version = taken(file, tmp_path / "told", beginning="</s>")
    encoder = load(store, version.path)
    assert encoder.tokenizer.id_to_token(encoder.beginning) == "</s>"


def test_what_is_no_tokenizer_is_one_line(folder, tmp_path):
    (folder / "tokenizer_config.json").write_text("[1]")
    with pytest.raises(ValueError, match=r"tokenizer_config.json: expected a JSON object in UTF-8"):
        taken(folder, tmp_path / "root")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match=r"tokenizer.json: expected a tokenizer.json as `tokenizers` writes it"):
        taken(folder, tmp_path / "root")


def test_one_that_changes_texts_says_how_many_it_lost(tmp_path):
    foreign(normal=True).save(str(tmp_path / "tokenizer.json"))
    store, version = taken(tmp_path, tmp_path / "root", beginning="<s>")
    rows = store.table(f"{version.path}/report.parquet").to_pylist()
    assert sum(row["round_trip_failures"] for row in rows) > 0
    assert sum(row["round_trip_failures"] for row in rows) == version.manifest.counts["round_trip_failures"]


def test_an_entry_that_is_not_special_becomes_so(tmp_path):
    made = foreign(special=False)
    made.save(str(tmp_path / "tokenizer.json"))
    store, version = taken(tmp_path, tmp_path / "root", beginning="Ġ")
    encoder = load(store, version.path)
    (tokens,) = encode(encoder, ["Ġ a"])
    assert np.count_nonzero(tokens == encoder.beginning) == 1 + made.encode("Ġ a").ids.count(encoder.beginning)


def test_a_recipe_names_it_from_its_own_folder(folder):
    (folder / "r.toml").write_text(
        '[[source]]\nname = "a"\nformat = "jsonl"\nfiles = ["a"]\n[tokenizer]\nfrom = "tokenizer.json"\nbeginning = "<s>"\n'
    )
    assert recipe.load(folder / "r.toml").tokenizer.from_ == str(folder / "tokenizer.json")
    (folder / "r.toml").write_text('[[source]]\nname = "a"\nformat = "jsonl"\nfiles = ["a"]\n[tokenizer]\nfrom = "."\nvocabulary = 500\n')
    with pytest.raises(recipe.RecipeError, match=r"r.toml: tokenizer: expected no `vocabulary` beside `from`"):
        recipe.load(folder / "r.toml")
