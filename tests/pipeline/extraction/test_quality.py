"""How much of an article's text each engine finds, and how much else, on pages of which people marked the text.

The measure is that of the benchmark's authors: runs of four words, counted with repetition; for each page the shares of
what was found that is right (precision) and of what is right that was found (recall); their means; F1 of the two means.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from pipeline.extraction.page import Config, Page, parsed

FLOORS = tomllib.loads((Path(__file__).parent / "quality_floors.toml").read_text("utf-8"))
FOLDER = os.environ.get("CORPUSMILL_ARTICLE_PAGES", "")
HOW = (
    "set CORPUSMILL_ARTICLE_PAGES to a clone of https://github.com/scrapinghub/article-extraction-benchmark "
    "(ground-truth.json and html/*.html.gz) to measure extraction"
)
RUN_WORDS = 4


def runs(text: str) -> Counter[tuple[str, ...]]:
    """The runs of four words of a text; all of its words where they are fewer."""
    words = re.findall(r"\w+", text)
    return Counter(tuple(words[at : at + RUN_WORDS]) for at in range(max(1, len(words) - RUN_WORDS + 1)) if words)


def scores(found: Mapping[str, str], right: Mapping[str, str]) -> dict[str, float]:
    """Precision and recall as means over pages (each over those where it is defined), and F1 of the two."""
    precisions, recalls = [], []
    for page, text in right.items():
        ours, theirs = runs(found[page]), runs(text)
        common = (ours & theirs).total()
        if ours:
            precisions.append(common / ours.total())
        if theirs:
            recalls.append(common / theirs.total())
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return {"precision": precision, "recall": recall, "f1": 2 * precision * recall / (precision + recall)}


def test_the_measure_counts_runs_of_words() -> None:
    right = {"a": "one two three four five", "b": "x y", "c": "p q r s"}
    found = {"a": "zero one two three four", "b": "x y", "c": ""}
    assert scores(found, right) == {"precision": 0.75, "recall": 0.5, "f1": 0.6}


@pytest.mark.skipif(not (Path(FOLDER) / "ground-truth.json").is_file(), reason=HOW)
@pytest.mark.parametrize("engine", FLOORS)
def test_engines_hold_their_floors(engine: str) -> None:
    truth = json.loads((Path(FOLDER) / "ground-truth.json").read_text("utf-8"))
    config, found = Config(engine=engine), {}
    for name, page in truth.items():
        content = gzip.decompress((Path(FOLDER) / "html" / f"{name}.html.gz").read_bytes())
        result = parsed(content, None, page["url"], config)
        found[name] = result.text if isinstance(result, Page) else ""
    measured = scores(found, {name: page["articleBody"] for name, page in truth.items()})
    assert {what: value for what, value in measured.items() if value < FLOORS[engine][what]} == {}, measured
