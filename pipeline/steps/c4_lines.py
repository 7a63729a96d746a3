"""Lines that are no sentences go, and texts that are no prose are told by what stands in the rest.

Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer" (JMLR 21:140), section
2.2, with the two rules that only its code has: long words, and phrases of privacy notices. A line, as `str.splitlines` cuts
it and without the white space at its edges, is put to the rules in this order: a word is too long; citations are taken out;
its end is no mark that ends a sentence; it has too few words; it names a script; it has a phrase of a privacy notice. What
is left is joined by line feeds. A placeholder text is looked for before the script, a curly bracket after it, so that
neither counts in a line that is gone by then. FineWeb keeps lines without an end: `terminal = false`.
"""

from __future__ import annotations

from typing import Annotated

import pyarrow as pa
from pydantic import Field

from pipeline.kernels.c4 import Rules, apply_rules
from pipeline.kernels.c4_signs import Count
from pipeline.kernels.sentences import sentences
from pipeline.step import Bound, StepConfig, StepResult

VERSION = 2
USES = ("icu4py",)

Phrases = Annotated[tuple[Annotated[str, Field(min_length=2)], ...], Field(strict=False)]


class Config(StepConfig):
    max_word_chars: int = 1000
    citations: bool = True  # take out [12], [], [edit] and [citation needed]
    terminal: bool = True  # drop lines that do not end in . ? ! " or ', or that end in ...
    min_words: int = 3  # between white space
    placeholders: Phrases = ("lorem ipsum",)  # these and the next in any case
    scripts: Phrases = ("javascript",)
    policies: Phrases = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")


_COUNTED = {
    "lines": (Count.KEPT, "lines kept, none of these counts taking in blank ones"),
    "long_word_lines": (Count.LONG_WORD, "lines dropped for a word of more than `max_word_chars` characters"),
    "unterminated_lines": (Count.UNTERMINATED, "lines dropped for their end"),
    "short_lines": (Count.FEW_WORDS, "lines dropped for having fewer than `min_words` words"),
    "script_lines": (Count.SCRIPT, "lines dropped for naming one of `scripts`"),
    "policy_lines": (Count.POLICY, "lines dropped for a phrase of `policies`"),
    "placeholder_lines": (Count.PLACEHOLDER, "lines with one of `placeholders`, of those that the rules before have left"),
    "curly_bracket_lines": (Count.CURLY_BRACKET, "lines with a curly bracket, of those that the rules before have left"),
    "citations": (Count.CITATIONS, "citations taken out, of lines dropped later as well"),
}

SIGNALS = {
    **{name: (pa.int64(), meaning) for name, (_, meaning) in _COUNTED.items()},
    "sentences": (pa.int64(), "sentences of the lines kept, each line parted by itself"),
}

BOUNDS = {
    "placeholder_lines": Bound(max=0),
    "curly_bracket_lines": Bound(max=0),
    "sentences": Bound(min=5),
}


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    """The lines that are left of each text; nothing fails."""
    rules = Rules(
        config.max_word_chars, config.terminal, config.min_words, config.citations, config.placeholders, config.scripts, config.policies
    )
    text, counts = apply_rules(batch["text"], rules)
    signals = {name: pa.array(counts[:, column]) for name, (column, _) in _COUNTED.items()}
    return StepResult(text=text, signals={**signals, "sentences": pa.array(sentences(text))})
