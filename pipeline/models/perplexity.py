"""A language model of two levels: words behind words, and, for a word that it does not know, bytes behind bytes.

So every text has a probability above 0, and all of one number of words sum to 1. The words are those of
`pipeline.kernels.words`, punctuation marks among them; white space is no part of them. The probability of a word's spelling
is learned from the distinct words, each counted once, as an unknown one is rather like a rare one.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from pipeline.kernels import kernel
from pipeline.kernels.strings import Bytes, Counts, Hashes, strings
from pipeline.kernels.words import Places, WordTable, words
from pipeline.models import file
from pipeline.models.estimate import estimate
from pipeline.models.ngrams import MAX_ORDER, Entries, Logs, Ngrams, Numbers, advance, begin, table
from pipeline.models.texts import Texts, parts
from pipeline.step import Strict

_END = np.uint64(256)  # the symbol behind the last byte of a word
_SYMBOLS = 257
_LOG_SYMBOL = -math.log(_SYMBOLS)  # of a byte, or the end, with nothing told
_MAX_BITS = 1000.0  # a word, on average: 2 to this is near the end of 64-bit floats
_HELD_OUT = 0.1  # share of the texts
_MIN_HELD_OUT = 9  # texts
_ARRAYS = {
    **{f"{level}_keys": (np.uint64, 1) for level in ("word", "spelling")},
    **{f"{level}_logs": (np.float32, 2) for level in ("word", "spelling")},
}

Order = Annotated[int, Field(ge=1, le=MAX_ORDER)]


class TrainConfig(Strict):
    """The settings of training."""

    sample_mb: Annotated[int, Field(gt=0)] = 100  # of text, drawn by hash; 10^6 bytes
    words: Order = 3  # in an n-gram
    spelling_bytes: Order = 5  # in an n-gram of a word's bytes
    min_count: Annotated[int, Field(ge=1)] = 2  # of an n-gram that is kept
    min_words: Annotated[int, Field(ge=1)] = 10  # of a held-out text that says where the thirds part


class Facts(Strict):
    """What a file says of its model."""

    kind: Literal["perplexity"]
    version: Literal[1]
    words: Order
    spelling_bytes: Order
    head_max: Annotated[float, Field(ge=1, allow_inf_nan=False)]  # perplexity that the better third of the held-out texts is within
    middle_max: Annotated[float, Field(ge=1, allow_inf_nan=False)]  # and the better two thirds

    @model_validator(mode="after")
    def _ordered(self) -> Facts:
        if self.head_max > self.middle_max:
            raise ValueError("head_max <= middle_max")
        return self


class Model(NamedTuple):
    """A model to measure by."""

    facts: Facts
    words: Ngrams
    spelling: Ngrams


class Measured(NamedTuple):
    """What each text is to a model; numbers without meaning where it has no words."""

    words: Counts
    perplexity: Numbers  # per word
    bits_per_byte: Numbers  # of the words' bytes


class Report(NamedTuple):
    """What training was on, and what the held-out texts were to the model."""

    trained: Texts
    held_out: Texts
    measured: Measured  # of those


@kernel
def _spell(
    data: Bytes, start: int, end: int, keys: Hashes, logs: Logs, start_keys: Hashes, start_weights: Numbers,
    state_keys: Hashes, state_weights: Numbers,
) -> float:  # fmt: skip
    """The logarithm of the probability of a word's bytes, and of its end there."""
    begin(start_keys, start_weights, state_keys, state_weights)
    total = 0.0
    for i in range(start, end + 1):
        log, known = advance(keys, logs, state_keys, state_weights, np.uint64(data[i]) if i < end else _END)
        total += log if known else log + _LOG_SYMBOL
    return total


@kernel
def _spell_all(
    data: Bytes, begins: Counts, ends: Counts, keys: Hashes, logs: Logs, start_keys: Hashes, start_weights: Numbers,
    state_keys: Hashes, state_weights: Numbers, out: Numbers,
) -> None:  # fmt: skip
    for i in range(len(out)):
        out[i] = _spell(data, begins[i], ends[i], keys, logs, start_keys, start_weights, state_keys, state_weights)


@kernel
def _measure(
    row_offsets: Counts, starts: Places, ends: Places, hashes: Hashes, offsets: Counts, data: Bytes,
    keys: Hashes, logs: Logs, start_keys: Hashes, start_weights: Numbers, state_keys: Hashes, state_weights: Numbers,
    keys_2: Hashes, logs_2: Logs, start_keys_2: Hashes, start_weights_2: Numbers, state_keys_2: Hashes, state_weights_2: Numbers,
    totals: Numbers, sizes: Counts,
) -> None:  # fmt: skip
    for row in range(len(totals)):
        begin(start_keys, start_weights, state_keys, state_weights)
        total, size, text = 0.0, 0, offsets[row]
        for i in range(row_offsets[row], row_offsets[row + 1]):
            log, known = advance(keys, logs, state_keys, state_weights, hashes[i])
            total += log
            start, end = text + np.int64(starts[i]), text + np.int64(ends[i])
            size += end - start
            if not known:
                total += _spell(data, start, end, keys_2, logs_2, start_keys_2, start_weights_2, state_keys_2, state_weights_2)
        totals[row], sizes[row] = total, size


def _state(ngrams: Ngrams) -> tuple[Hashes, Numbers]:
    return np.empty_like(ngrams.start_keys), np.empty_like(ngrams.start_weights)


def measure(model: Model, texts: pa.Array) -> Measured:
    """What each text is to a model; a null row has no words."""
    found, word, spelling = words(texts), model.words, model.spelling
    counts = np.diff(found.row_offsets)
    totals, sizes = np.empty(len(counts)), np.empty_like(counts)
    _measure(
        found.row_offsets, found.starts, found.ends, found.hashes, *strings(texts),
        word.keys, word.logs, word.start_keys, word.start_weights, *_state(word),
        spelling.keys, spelling.logs, spelling.start_keys, spelling.start_weights, *_state(spelling), totals, sizes,
    )  # fmt: skip
    bits = -totals / math.log(2)
    return Measured(counts, np.exp2(np.minimum(bits / np.maximum(counts, 1), _MAX_BITS)), bits / np.maximum(sizes, 1))


def train(texts: Texts, config: TrainConfig) -> tuple[Facts, file.Arrays, Report]:
    """A model of some texts, and what of them is held out is to it. ValueError where they are too few."""
    held_out = parts(texts.ids, (_HELD_OUT,)) == 0
    training, rest = texts.where(~held_out), texts.where(held_out)
    spelling, word = _entries(training.texts, config)
    facts = Facts(kind="perplexity", version=1, words=config.words, spelling_bytes=config.spelling_bytes, head_max=1, middle_max=1)
    measured = measure(Model(facts, table(word, config.words), table(spelling, config.spelling_bytes)), rest.texts)
    long_enough = measured.words >= config.min_words
    if long_enough.sum() < _MIN_HELD_OUT:
        raise ValueError(
            f"expected at least {_MIN_HELD_OUT} held-out texts of {config.min_words} words, which takes about "
            f"{_MIN_HELD_OUT / _HELD_OUT:.0f} texts in all; there are {long_enough.sum()} of {len(texts.ids)}"
        )
    head, middle = np.quantile(measured.perplexity[long_enough], (1 / 3, 2 / 3))
    facts = facts.model_copy(update={"head_max": float(head), "middle_max": float(middle)})
    arrays: file.Arrays = {"word_keys": word.keys, "word_logs": word.logs, "spelling_keys": spelling.keys, "spelling_logs": spelling.logs}
    return facts, arrays, Report(training, rest, measured)


def _entries(texts: pa.Array, config: TrainConfig) -> tuple[Entries, Entries]:
    """The entries of spelling and of words."""
    found, (offsets, data) = words(texts), strings(texts)
    if not len(found.hashes):
        raise ValueError("expected texts with words; there are none to train on")
    first_byte = np.repeat(offsets[:-1], np.diff(found.row_offsets))
    starts, ends = first_byte + found.starts, first_byte + found.ends
    spelling = _spelling(found, starts, ends, data, config)
    lookup = table(spelling, config.spelling_bytes)

    def spelled(places: Counts) -> Numbers:
        logs = np.empty(len(places))
        _spell_all(
            data, starts[places], ends[places],
            lookup.keys, lookup.logs, lookup.start_keys, lookup.start_weights, *_state(lookup), logs,
        )  # fmt: skip
        return np.exp(logs)

    begins = np.zeros(len(found.hashes), np.bool_)
    begins[found.row_offsets[:-1][np.diff(found.row_offsets) > 0]] = True
    return spelling, estimate(found.hashes, begins, config.words, config.min_count, spelled)


def _spelling(found: WordTable, starts: Counts, ends: Counts, data: Bytes, config: TrainConfig) -> Entries:
    """The model of the bytes of the distinct words."""
    _, distinct = np.unique(found.hashes, return_index=True)
    sizes = ends[distinct] - starts[distinct] + 1
    first = np.cumsum(sizes) - sizes
    within = np.arange(sizes.sum()) - np.repeat(first, sizes)
    places = np.repeat(starts[distinct], sizes) + within
    last = within == np.repeat(sizes - 1, sizes)
    symbols = np.where(last, _END, data[np.where(last, 0, places)])
    return estimate(symbols, within == 0, config.spelling_bytes, config.min_count, lambda places: np.full(len(places), 1 / _SYMBOLS))


def load(path: Path) -> Model:
    """The model of a file. ValueError where it is none."""
    facts, arrays = file.read(path, Facts, _ARRAYS)
    try:
        word = table(Entries(arrays["word_keys"], arrays["word_logs"]), facts.words)
        spelling = table(Entries(arrays["spelling_keys"], arrays["spelling_logs"]), facts.spelling_bytes)
    except ValueError as error:
        raise file.refused(path, str(error)) from None
    return Model(facts, word, spelling)
