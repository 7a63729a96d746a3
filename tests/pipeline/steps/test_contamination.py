"""Evaluation texts are found however they are written, clean texts are not taken for any, and a fate says which record it was."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from nasty import PROSE, text_batch
from pydantic import ValidationError

from pipeline import schema, step
from pipeline.decide import decide
from pipeline.recipe import Recipe, StepUse
from pipeline.steps import contamination
from pipeline.steps.contamination import Config

CASES = {
    "match.in": (
        "They spoke of the winter, of boats that were to be painted, and of the road that had been washed away with the bridge.",
        "they spoke of the winter (of boats that were to be mended) and of the road",
    )
}

WORDS = [f"{a}{b}{c}" for a in ("ba", "ko", "ri", "tu", "se", "lam") for b in ("na", "vo", "mi", "xu") for c in ("r", "th", "ne", "s", "l")]
PHRASES = ("all rights reserved and no part of this page may be copied without our leave in writing from the owner",)


def sentence(rng: random.Random, words: int) -> list[str]:
    return [rng.choice(WORDS) for _ in range(words)]


def json_lines(path: Path, records: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def measure(texts: list[str], path: str, **settings: Any) -> list[dict[str, Any]]:
    result = contamination.run(text_batch(texts), Config(benchmarks={"quiz": path}, **settings))
    columns = {name: array.to_pylist() for name, array in result.signals.items()}
    return [{name: values[row] for name, values in columns.items()} for row in range(len(texts))]


def one(text: str, path: str, **settings: Any) -> dict[str, Any]:
    return measure([text], path, **settings)[0]


def recased(rng: random.Random, words: list[str]) -> str:
    return " ".join(rng.choice([str.upper, str.title, str.lower])(word) for word in words)


def repunctuated(rng: random.Random, words: list[str]) -> str:
    return "".join(word + rng.choice([", ", "\n", " — ", "; ", ' "', "  ", ".\n\n", "/"]) for word in words)


def part(rng: random.Random, words: list[str]) -> str:
    """13 words or half of a record, whichever is more, from anywhere in it."""
    size = max(13, len(words) // 2)
    start = rng.randrange(len(words) - size + 1)
    return " ".join(words[start : start + size])


WRITTEN: dict[str, Callable[[random.Random, list[str]], str]] = {
    "exact": lambda _, words: " ".join(words),
    "re-cased": recased,
    "re-punctuated": repunctuated,
    "partial": part,
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_planted_records_are_found_and_named(kind: str, tmp_path: Path) -> None:
    rng = random.Random(1)
    records = [
        sentence(rng, rng.choice([8, 10, 12, 13, 14, 30, 120]) if kind != "partial" else rng.choice([13, 20, 60, 200])) for _ in range(500)
    ]
    path = json_lines(tmp_path / "quiz.jsonl", [{"text": " ".join(words)} for words in records])
    texts = [" ".join([*sentence(rng, 100), "\n", WRITTEN[kind](rng, words), "\n", *sentence(rng, 100)]) for words in records]
    named = sum(found["match"] == f"quiz:{line}" for line, found in enumerate(measure(texts, path), 1))
    assert named / len(records) >= 0.99


def test_of_ten_thousand_clean_documents_none_is_flagged(tmp_path: Path) -> None:
    """Also where both have phrases of many records, six other words behind them, and 12 words of a record."""
    rng = random.Random(2)
    records = [sentence(rng, rng.choice([9, 12, 40, 150])) for _ in range(1000)]
    lines = [{"text": " ".join([*PHRASES, *words] if number % 3 == 0 else words)} for number, words in enumerate(records)]
    path = json_lines(tmp_path / "quiz.jsonl", lines)

    def clean() -> str:
        long = rng.choice([words for words in rng.sample(records, 20) if len(words) >= 40])
        start = rng.randrange(1, len(long) - 12)
        phrase = [rng.choice(PHRASES), *sentence(rng, 6), "then"]
        return " ".join([*sentence(rng, rng.randrange(20, 200)), *phrase, *long[start : start + 12], "end"])

    texts = [clean() for _ in range(10_000)]
    assert [found for found in measure(texts, path) if found["match"] or found["ngrams"]] == []
    flagged = measure(texts[:100], path, most_records=1000)
    assert all(found["match"] for found in flagged), "the phrase is only let off for the number of its records"


def test_signals_measure_what_they_say(tmp_path: Path) -> None:
    record = [f"w{number}" for number in range(22)]  # ten n-grams
    path = json_lines(tmp_path / "quiz.jsonl", [{"text": "something else that is long enough to be a record"}, {"text": " ".join(record)}])
    text = " ".join(["before", *record[:15], "after", *record[:13], "end"])
    found = one(text, path)
    assert found == {"ngrams": 4, "word_share": 28 / 31, "record_share": 3 / 10, "match": "quiz:2"}
    assert one("nothing of it", path) == {"ngrams": 0, "word_share": 0.0, "record_share": 0.0, "match": ""}


def test_the_record_with_the_highest_share_is_named(tmp_path: Path) -> None:
    shared = [f"w{number}" for number in range(20)]
    records = [[*shared, *(f"x{number}" for number in range(20))], [*shared, "y"], [*shared, *(f"z{number}" for number in range(9))]]
    path = json_lines(tmp_path / "quiz.jsonl", [{"text": " ".join(words)} for words in records])
    assert one(" ".join(shared), path)["match"] == "quiz:2"


def test_a_short_record_counts_as_a_whole_and_a_shorter_one_not(tmp_path: Path) -> None:
    path = tmp_path / "quiz.txt"
    path.write_text("one two three four five six seven eight\n\na b c d e f g\n")
    assert one("zero ONE two, three four five six seven eight nine", str(path))["match"] == "quiz:1"
    assert one("one two three four five six seven", str(path))["match"] == ""
    assert one("zero a b c d e f g h", str(path))["match"] == ""
    assert one("zero a b c d e f g h", str(path), shortest_words=7)["match"] == "quiz:3"


def test_records_of_the_same_words_are_one_and_no_common_phrase(tmp_path: Path) -> None:
    path = json_lines(tmp_path / "quiz.jsonl", [{"text": PROSE}] * 50)
    assert one(PROSE, path)["match"] == "quiz:1"
    different = json_lines(tmp_path / "other.jsonl", [{"text": f"{PROSE} {number}"} for number in range(11)])
    assert one(PROSE, different)["match"] == ""
    assert one(PROSE, different, most_records=11)["match"] == "quiz:1"


def test_every_named_text_of_a_record_is_looked_for(tmp_path: Path) -> None:
    path = json_lines(tmp_path / "quiz.jsonl", [{"passage": PROSE, "question": "which of the many boats was mended before that winter"}])
    for text in (PROSE, "Which of the many boats was mended before that winter?"):
        assert one(text, path, text_keys=("question", "passage"))["match"] == "quiz:1"
    assert one(PROSE, path, text_keys=("question",))["match"] == ""


def test_gzipped_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "quiz.txt.gz"
    path.write_bytes(gzip.compress(PROSE.encode()))
    assert one(PROSE, str(path))["match"] == "quiz:1"


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "quiz.txt"
    path.write_text("something that is long enough to be a record of its own")
    assert one(PROSE, str(path))["match"] == ""
    path.write_text(PROSE)
    assert one(PROSE, str(path))["match"] == "quiz:1"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("quiz.jsonl", b'{"text": "a"}\n{"text"', "line 2: expected JSON"),
        ("quiz.jsonl", b'{"question": "a"}\n', "line 1: expected an object with a text 'text'"),
        ("quiz.jsonl", b"[1]\n", "line 1: expected an object with a text 'text'"),
        ("quiz.txt", b"a b\n\xff\n", "line 2: expected UTF-8"),
        ("quiz.txt", b"too short\n", "expected a text of at least 8 words"),
        ("quiz.txt", b"", "expected a text of at least 8 words"),
    ],
)
def test_a_file_that_is_none_is_refused_with_its_name(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as refused:
        one(PROSE, str(path))
    assert str(path) in str(refused.value)


def test_benchmarks_must_be_named_and_exist(tmp_path: Path) -> None:
    for benchmarks in ({}, {"quiz": str(tmp_path / "missing.txt")}, {"a:b": __file__}):
        with pytest.raises(ValidationError):
            Config(benchmarks=benchmarks)


def test_a_recipe_names_benchmarks_by_their_content(load: Callable[..., Recipe], tmp_path: Path) -> None:
    (tmp_path / "quiz.txt").write_text(PROSE)
    text = '[[source]]\nname = "s"\nfiles = ["*.jsonl"]\n[[step]]\nuse = "contamination"\nbenchmarks = { quiz = "quiz.txt" }\n'
    loaded = load(text).steps[0].config
    assert isinstance(loaded, Config)
    assert loaded.benchmarks["quiz"] == str(tmp_path / "quiz.txt")
    assert loaded.model_dump(mode="json")["benchmarks"] == {"quiz": step.digest(tmp_path / "quiz.txt")}


def test_the_fate_names_the_benchmark_and_the_record(tmp_path: Path) -> None:
    path = tmp_path / "quiz.txt"
    path.write_text(f"first record of the file, which is about something else entirely\n{PROSE}\n")
    config = Config(benchmarks={"quiz": str(path)})
    batch = text_batch([PROSE, "clean"])
    signals = contamination.run(batch, config).signals
    table = pa.table({"doc_id": batch["doc_id"], **{f"contamination_{name}": array for name, array in signals.items()}})
    for column in ("gated_by", "error_step", "error", "error_detail"):
        table = table.append_column(column, pa.nulls(2, pa.string()))
    records = pa.table([batch[name] for name in ("doc_id", "source")], names=["doc_id", "source"])
    fates = decide(records, table, (StepUse("contamination", "contamination", config, contamination.BOUNDS),)).to_pylist()
    assert [(fate["kept"], fate["rule"], fate["detail"]) for fate in fates] == [
        (False, "contamination.match.in", "quiz:2"),
        (True, None, None),
    ]
    assert set(fates[0]) == set(schema.FATES.names)
