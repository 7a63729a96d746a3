"""Our filters beside datatrove's, on real English texts and on such as are changed to lie about a bound.

What they disagree about, and why, is in `docs/filters.md`; `pytest -m verify -s` prints its table anew.
"""

from __future__ import annotations

import json
import random
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import english_texts
import numpy as np
import pyarrow as pa
import pytest
from nasty import text_batch
from planting import PLANTERS, long_text

from pipeline import step
from pipeline.bounds import broken

pytestmark = pytest.mark.verify

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".venv-peers" / "bin" / "python"
SCRIPT = Path(__file__).parent / "peers" / "datatrove_filters.py"

LEAST_TEXTS, MOST_TEXTS = 2000, 2200
LEAST_AGREEMENT = 0.99
LEAST_DROPPED, LEAST_AGREEMENT_OF_DROPPED = 30, 0.95
REAL_CHARS = (500, 20_000)  # all of a text: longer ones cost the reference minutes
PLANTED_CHARS = (1500, 6000)
PLANTED = 60  # of each planter

# Each filter of ours: the step, its settings, and what the reference calls its rules.
FILTERS: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "gopher_quality": (
        "gopher_quality",
        {},
        {
            "gopher_short_doc": "words.min",
            "gopher_long_doc": "words.max",
            "gopher_below_avg_threshold": "mean_word_chars.min",
            "gopher_above_avg_threshold": "mean_word_chars.max",
            "gopher_too_many_hashes": "hash_ratio.max",
            "gopher_too_many_ellipsis": "ellipsis_ratio.max",
            "gopher_too_many_bullets": "bullet_line_ratio.max",
            "gopher_too_many_end_ellipsis": "ellipsis_line_ratio.max",
            "gopher_below_alpha_threshold": "alphabetic_ratio.min",
            "gopher_enough_stop_words": "stop_words.min",
        },
    ),
    "gopher_repetition": (
        "gopher_repetition",
        {},
        {
            "dup_para_frac": "duplicate_paragraph_ratio.max",
            "dup_para_char_frac": "duplicate_paragraph_char_ratio.max",
            "dup_line_frac": "duplicate_line_ratio.max",
            "dup_line_char_frac": "duplicate_line_char_ratio.max",
            **{f"top_{n}_gram": f"top_{n}gram_char_ratio.max" for n in (2, 3, 4)},
            **{f"duplicated_{n}_n_grams": f"duplicate_{n}gram_char_ratio.max" for n in range(5, 11)},
        },
    ),
    "c4": (
        "c4_lines",
        {},
        {"lorem_ipsum": "placeholder_lines.max", "curly_bracket": "curly_bracket_lines.max", "too_few_sentences": "sentences.min"},
    ),
    "c4_without_terminal": ("c4_lines", {"terminal": False}, {}),
    "fineweb_quality": (
        "fineweb_quality",
        {},
        {
            "line_punct_ratio": "line_punct_ratio.min",
            "short_line_ratio": "short_line_ratio.max",
            "char_dup_ratio": "char_dup_ratio.max",
            "list_ratio": "list_ratio.max",
        },
    ),
}

_NO_LINE_RULE = {
    "max_word_chars": 10**9, "citations": False, "terminal": False, "min_words": 0, "placeholders": (), "scripts": (), "policies": (),
}  # fmt: skip
LINE_RULES: dict[str, dict[str, Any]] = {
    "no rule": _NO_LINE_RULE,
    "every rule": {},
    "too_long_word": {**_NO_LINE_RULE, "max_word_chars": 1000},
    "citations": {**_NO_LINE_RULE, "citations": True},
    "no_terminal_punc": {**_NO_LINE_RULE, "terminal": True},
    "too_few_words": {**_NO_LINE_RULE, "min_words": 3},
    "javascript": {**_NO_LINE_RULE, "scripts": ("javascript",)},
    "policy": {key: value for key, value in _NO_LINE_RULE.items() if key != "policies"},
}

RULES = [*((name, rule) for name, (_, _, rules) in FILTERS.items() for rule in rules), *(("c4", rule) for rule in list(LINE_RULES)[1:])]


class Text(NamedTuple):
    """A text, and the filters that are asked about it."""

    text: str
    filters: Sequence[str]


class Verdict(NamedTuple):
    """What one side says of a text: filters that drop it, rules that drop it alone, and what C4's line rules leave of it."""

    decisions: dict[str, bool]
    alone: dict[str, bool | None]
    texts: dict[str, str]


def _real() -> list[str]:
    sources = (english_texts.of_warcs(), english_texts.of_pydoc(), english_texts.of_documentation())
    found = {text for source in sources for text in source if REAL_CHARS[0] <= len(text) <= REAL_CHARS[1]}
    return sorted(found, key=lambda text: sha256(text.encode()).digest())[:MOST_TEXTS]


def _planted(real: Sequence[str]) -> list[Text]:
    chance = random.Random(1)
    prose = [text for text in real if PLANTED_CHARS[0] <= len(text) <= PLANTED_CHARS[1] and text.count(". ") > len(text) / 300]
    planted = []
    for name, planters in PLANTERS.items():
        filters = [name, "c4_without_terminal"] if name == "c4" else [name]
        for planter in planters:
            for number in range(PLANTED):
                text = planter(chance.choice(prose), number / (PLANTED - 1), chance)
                planted += [Text(text, filters)] if text.strip() else []
    return planted


def _long(real: Sequence[str]) -> list[Text]:
    # Words between white space: 97 000 of them are some 100 000 for the filters.
    words = [*range(94_500, 97_000, 500), *range(98_000, 116_000, 500)]
    return [Text(long_text(real[number % 5 :: 5], size), ["gopher_quality"]) for number, size in enumerate(words)]


def _reference(texts: Sequence[Text], folder: Path) -> list[Verdict]:
    given, said = folder / "texts.jsonl", folder / "verdicts.jsonl"
    with given.open("w") as stream:
        stream.writelines(json.dumps(text._asdict()) + "\n" for text in texts)
    with given.open() as source, said.open("w") as target:
        subprocess.run([PEERS, SCRIPT], stdin=source, stdout=target, check=True)
    with said.open() as stream:
        lines = [json.loads(line) for line in stream]
    return [Verdict({name: why is not None for name, why in line["decisions"].items()}, line["alone"], line["texts"]) for line in lines]


def _ours(texts: Sequence[Text]) -> list[Verdict]:
    batches = [text_batch([text.text for text in texts[start : start + 500]]) for start in range(0, len(texts), 500)]
    decisions: dict[str, np.ndarray] = {}
    alone: dict[str, np.ndarray] = {}
    for name, (module, settings, rules) in FILTERS.items():
        found = step.find(module)
        measured = [found.run(batch, found.Config(**settings)).signals for batch in batches]
        signals = {signal: pa.concat_arrays([each[signal] for each in measured]) for signal in found.BOUNDS}
        out = {f"{signal}.{kind}": each for signal in signals for kind, (each, _) in _broken(found.BOUNDS[signal], signals[signal]).items()}
        decisions[name] = np.any(list(out.values()), axis=0)
        alone |= {rule: out[ours] for rule, ours in rules.items()}
    lines = {rule: [text for batch in batches for text in _left(batch, settings)] for rule, settings in LINE_RULES.items()}
    return [
        Verdict(
            {name: bool(each[row]) for name, each in decisions.items()},
            {rule: bool(each[row]) for rule, each in alone.items()},
            {rule: each[row] for rule, each in lines.items()},
        )
        for row in range(len(texts))
    ]


def _broken(bound: step.Bound, values: pa.Array) -> dict[str, Any]:
    return broken(bound, values, None)


def _left(batch: pa.RecordBatch, settings: dict[str, Any]) -> list[str]:
    found = step.find("c4_lines")
    text = found.run(batch, found.Config(**settings)).text
    assert text is not None
    kept: list[str] = text.to_pylist()
    return kept


class Count(NamedTuple):
    """Of the texts that a filter or a rule was asked about: dropped by us, by the reference, by both; and all."""

    ours: int
    reference: int
    both: int
    asked: int


class Comparison(NamedTuple):
    """What was counted, and the texts that the sides disagree about."""

    filters: dict[str, Count]
    rules: dict[tuple[str, str], Count]
    disagreements: dict[str, list[str]]
    real: int


def _drops(verdict: Verdict, rule: str) -> bool | str | None:
    """Whether a rule drops a text; for a rule of lines, the text that it leaves where that is another one."""
    if rule in LINE_RULES:
        changed = verdict.texts[rule]
        return changed if changed != verdict.texts["no rule"] else False
    return verdict.alone[rule]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Both sides' verdicts on all texts, counted."""
    if not PEERS.exists():
        pytest.skip("expected the reference in .venv-peers: `make bench` installs it")
    folder = tmp_path_factory.mktemp("texts")
    real = _real()
    texts = [*(Text(text, list(FILTERS)) for text in real), *_planted(real), *_long(real)]
    pairs = list(zip(texts, _ours(texts), _reference(texts, folder), strict=True))
    rows: dict[Any, list[tuple[Any, Any]]] = defaultdict(list)
    disagreements = defaultdict(list)
    for text, ours, reference in pairs:
        for name, (_, _, rules) in FILTERS.items():
            if name not in text.filters:
                continue
            rows[name].append((ours.decisions[name], reference.decisions[name]))
            own = [*rules, *(list(LINE_RULES)[1:] if name == "c4" else ())]
            for rule in own:
                one, other = _drops(ours, rule), _drops(reference, rule)
                if other is not None:
                    rows[name, rule].append((one, other))
                    disagreements[rule] += [text.text] if one != other else []
    counts = {
        key: Count(
            sum(one is not False for one, _ in each),
            sum(other is not False for _, other in each),
            sum(one is not False and one == other for one, other in each),
            len(each),
        )
        for key, each in rows.items()
    }
    found = Comparison(
        {key: count for key, count in counts.items() if isinstance(key, str)},
        {key: count for key, count in counts.items() if not isinstance(key, str)},
        dict(disagreements),
        len(real),
    )
    print("\n" + table(found))  # for docs/filters.md
    return found


def table(found: Comparison) -> str:
    """The counts as in docs/filters.md."""
    head = ["| filter | rule | asked | dropped by us | by datatrove | by both |", "| --- | --- | --- | --- | --- | --- |"]
    entries = [((name, "all"), count) for name, count in found.filters.items()] + list(found.rules.items())
    rows = [f"| {name} | {rule} | {count.asked} | {count.ours} | {count.reference} | {count.both} |" for (name, rule), count in entries]
    return "\n".join([*head, *rows])


def test_there_are_enough_real_texts(compared: Comparison) -> None:
    assert compared.real >= LEAST_TEXTS, f"expected WARC files with English pages in ${english_texts.WARCS}"


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_decides_as_the_reference_does(compared: Comparison, name: str) -> None:
    count = compared.filters[name]
    assert count.asked - (count.ours + count.reference - 2 * count.both) >= LEAST_AGREEMENT * count.asked


@pytest.mark.parametrize(("name", "rule"), RULES)
def test_a_rule_alone_drops_what_the_reference_drops(compared: Comparison, name: str, rule: str) -> None:
    count = compared.rules[name, rule]
    by_either = count.ours + count.reference - count.both
    assert by_either >= LEAST_DROPPED
    assert count.both >= LEAST_AGREEMENT_OF_DROPPED * by_either, compared.disagreements[rule][:3]
