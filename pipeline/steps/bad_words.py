"""Words of lists, by language, that stand in a text: how many, how dense, and which is first.

The rule of C4 (Raffel et al. 2020, section 2.2), that a page with any word of a list is dropped, is the bound. As in its code, an
entry matches whole words in any case, but within words in the languages of `within_words`, which part none by spaces. A word
character is a letter, digit, mark, joiner or underscore; white space in an entry is any white space. C4's code can keep a share of
such pages, by a hash of their address, and datatrove's by chance; here there is but the bound.

Every list is looked for in every text, whatever its language. To ask each language for its own words alone, the step is used
once for each list, each bound by `by_language`. Lists are composed (NFC), as texts should be by then. Every count of an empty
text is 0.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from pipeline import lists
from pipeline.kernels.lexicon import MAX_LISTS, Lexicon, Matches, find, lexicon
from pipeline.kernels.rows import share
from pipeline.lists import State
from pipeline.step import Bound, File, StepConfig, StepResult

VERSION = 1
USES: tuple[str, ...] = ()


class Config(StepConfig):
    lists: Annotated[Mapping[str, File], Field(max_length=MAX_LISTS)] = {}  # of each language, a file with an entry a line
    within_words: Annotated[tuple[str, ...], Field(strict=False)] = ("ja", "th", "zh")  # languages


SIGNALS = {
    "matches": (pa.int64(), "places in the text where a listed word or phrase begins"),
    "distinct": (pa.int64(), "different listed words and phrases"),
    "per_100_words": (pa.float64(), "`matches` for a hundred runs of word characters"),
    "first": (pa.string(), "the longest entry at the first of these places, null where there is none"),
    "language": (pa.string(), "the list with the most matches, of equal ones the first by name; null where there is none"),
}

BOUNDS = {"matches": Bound(max=0)}


class _Part(NamedTuple):
    """The lists that are matched in one way."""

    wanted: Lexicon
    entries: pa.Array
    languages: tuple[str, ...]


@lru_cache(maxsize=256)
def _part(states: tuple[tuple[str, State], ...], whole: bool) -> _Part:
    entries, of_list = [], []
    for number, (_, state) in enumerate(states):
        listed = lists.read(state.path).entries.to_pylist()
        entries += [unicodedata.normalize("NFC", entry) for entry in listed]
        of_list += [number] * len(listed)
    texts = pa.array(entries, pa.string())
    return _Part(lexicon(texts, of_list, whole), texts, tuple(language for language, _ in states))


def _parts(config: Config) -> list[_Part]:
    states = [(language, lists.state(path)) for language, path in sorted(config.lists.items())]
    within = tuple(each for each in states if each[0] in config.within_words)
    whole = tuple(each for each in states if each[0] not in config.within_words)
    return [_part(named, as_whole) for named, as_whole in ((whole, True), (within, False)) if named]


def _language(parts: list[_Part], found: list[Matches], rows: int) -> pa.Array:
    named = [(language, each.by_list[:, i]) for part, each in zip(parts, found, strict=True) for i, language in enumerate(part.languages)]
    most, best = np.zeros(rows, np.int64), np.full(rows, None, object)
    for language, places in sorted(named, key=lambda each: each[0]):
        best[places > most] = language
        most = np.maximum(most, places)
    return pa.array(best, pa.string())


def _first(parts: list[_Part], found: list[Matches], rows: int) -> pa.Array:
    best, at = pa.nulls(rows, pa.string()), np.full(rows, np.iinfo(np.int64).max)
    for part, each in zip(parts, found, strict=True):
        earlier = (each.first >= 0) & (each.first_at < at)
        best = pc.if_else(pa.array(earlier), part.entries.take(pa.array(each.first, mask=each.first < 0)), best)
        at[earlier] = each.first_at[earlier]
    return best


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    """Look for the lists' entries in each text. Raises ValueError where a list is not UTF-8."""
    text, parts, rows = batch["text"], _parts(config), batch.num_rows
    found = [find(text, part.wanted, len(part.languages)) for part in parts]
    matches, distinct, words = np.zeros((3, rows), np.int64)
    for each in found:
        matches += each.places
        distinct += each.distinct
        words[:] = each.words
    signals = {
        "matches": pa.array(matches),
        "distinct": pa.array(distinct),
        "per_100_words": pa.array(share(100 * matches, words)),
        "first": _first(parts, found, rows),
        "language": _language(parts, found, rows),
    }
    return StepResult(signals=signals)
