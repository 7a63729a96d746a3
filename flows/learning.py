"""Training of the models that steps measure by, from files or finished corpora; what came of it, for a person."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dashboards.table import visible
from flows.job import current
from flows.usage import UsageError
from pipeline.ingest import files, formats, read
from pipeline.ingest.inputs import Input
from pipeline.models import classifier, file, perplexity
from pipeline.models.judgement import Rates
from pipeline.models.texts import Texts, draw
from pipeline.recipe import Source
from pipeline.store import Store
from pipeline.typed import RecipeError

CORPUS = "corpus:"


def train_classifier(
    out: Console, root: str, positive: Sequence[str], negative: Sequence[str], into: Path, text_key: str, sample_mb: int
) -> None:
    """Train a classifier, write it, and say how well it tells held-out texts apart. ValueError where something is amiss."""
    _expect_no_folder(into)
    good, other = (
        _drawn(root, option, given, text_key, sample_mb) for option, given in (("--positive", positive), ("--negative", negative))
    )
    facts, arrays, found = classifier.train(good, other, classifier.TrainConfig(sample_mb=sample_mb))
    file.write(into, facts, arrays)
    table = _table("", "texts", "bytes", "held out")
    for name, texts, held_out in zip(("positive", "negative"), (good, other), found.judgement[:2], strict=True):
        table.add_row(name, f"{len(texts.ids):,}", f"{texts.bytes:,}", f"{held_out:,}")
    out.print(table)
    judged = found.judgement
    table = _table("on the held-out texts", "")
    table.add_row("area under the ROC curve", f"{judged.auc:.4f} (95 %: {judged.auc_low:.4f} to {judged.auc_high:.4f})")
    table.add_row("accuracy at 0.5", f"{judged.accuracy:.4f}")
    table.add_row("expected calibration error", f"{judged.calibration_error:.4f}")
    for name, rates in (("0.5", judged.at_half), (f"{judged.at_best.threshold:.3f}, of the best F1", judged.at_best)):
        table.add_row(f"from a score of {name}", _rates(rates))
    out.print(table)
    _recipe(out, into, "classifier", "keep.score = { min = 0.5 }")


def train_perplexity(out: Console, root: str, good: Sequence[str], into: Path, text_key: str, sample_mb: int) -> None:
    """Train a language model of good texts, write it, and say what held-out ones are to it. ValueError where something is amiss."""
    _expect_no_folder(into)
    texts = _drawn(root, "--good", good, text_key, sample_mb)
    facts, arrays, found = perplexity.train(texts, perplexity.TrainConfig(sample_mb=sample_mb))
    file.write(into, facts, arrays)
    table = _table("", "texts", "bytes", "perplexity, median", "bits per byte, median")
    table.add_row("trained on", f"{len(found.trained.ids):,}", f"{found.trained.bytes:,}")
    middles = (float(np.median(values)) for values in found.measured[1:])
    table.add_row("held out", f"{len(found.held_out.ids):,}", f"{found.held_out.bytes:,}", *(f"{value:.4g}" for value in middles))
    out.print(table)
    out.print(f"head up to a perplexity of {facts.head_max:.4g}, middle up to {facts.middle_max:.4g}, tail above")
    _recipe(out, into, "perplexity", 'keep.bucket = { in = ["head", "middle"] }')


def _expect_no_folder(into: Path) -> None:
    """Said before the work, not after it."""
    if into.is_dir():
        raise UsageError("--out", str(into), "expected a file to write, not a folder")


def _drawn(root: str, option: str, given: Sequence[str], text_key: str, sample_mb: int) -> Texts:
    """What training takes of the files and corpora that an option names."""
    texts = draw((text for name in given for text in _texts(root, option, name, text_key)), sample_mb)
    if not len(texts.ids):
        raise UsageError(option, " ".join(given), "expected texts; there are none")
    return texts


def _texts(root: str, option: str, name: str, text_key: str) -> Iterator[str]:
    """The texts of a file, of the files that match a pattern, or of a corpus."""
    if name.startswith(CORPUS):
        yield from _of_corpus(Store(root), name.removeprefix(CORPUS))
        return
    source = _source(option, name, text_key)
    try:
        found = list(files.find(source, Path.cwd()))
    except RecipeError:
        raise UsageError(option, name, "expected a file that exists, or `corpus:NAME`") from None
    for each in found:
        if each.error:
            raise UsageError(option, each.uri, f"expected a file that can be read; it is {each.error}")
        for batch in read(source, [Input(each.root, each.path, each.name, each.name, each.bytes)]):
            columns = (batch[column].to_pylist() for column in ("text", "offset", "error", "error_detail"))
            for text, offset, error, detail in zip(*columns, strict=True):
                if error:
                    raise UsageError(option, each.uri, f"at {offset}: {error}: {detail}")
                if text is None:
                    raise UsageError(option, each.uri, f"at {offset}: expected a text under {text_key!r}, not bytes")
                yield text


def _source(option: str, name: str, text_key: str) -> Source:
    told = formats.settings(name)
    if told is None or told["format"] == "warc":
        texts = (suffix for suffix, kind in formats.FORMATS.items() if kind != "warc")
        raise UsageError(option, name, f"expected a file that ends in {', '.join(texts)}, or `corpus:NAME`")
    try:
        return Source.model_validate({"name": "texts", "files": (name,), "text_key": text_key, **told})
    except ValidationError as error:
        raise UsageError(option, name, error.errors()[0]["msg"]) from None


def _of_corpus(store: Store, name: str) -> Iterator[str]:
    """The texts of a finished corpus, but those that are held out of it to evaluate on."""
    place = current(store, "corpora", name)
    manifest = store.manifest(place)
    for path in manifest.paths("documents") if manifest else ():
        for batch in store.batches(f"{place}/{path}", ["split", "text"], rows=64):
            yield from batch.filter(pc.equal(batch["split"], "train"))["text"].to_pylist()


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number and column else "left")
    return table


def _rates(rates: Rates) -> str:
    return f"precision {rates.precision:.4f}, recall {rates.recall:.4f}, F1 {rates.f1:.4f}"


def _recipe(out: Console, into: Path, step: str, keep: str) -> None:
    """What to write into a recipe that lies beside the model."""
    lines = ("[[step]]", f'use = "{step}"', f"model = {json.dumps(into.name)}", keep)
    out.print(f"\n{escape(visible(str(into)))} is written; a recipe beside it uses it so:\n", highlight=False, soft_wrap=True)
    for line in lines:
        out.print(escape(visible(line)), highlight=False, soft_wrap=True)
