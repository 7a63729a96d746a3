"""Measuring a model on held-out documents: `python -m training.evaluate JOB.json` (a `training.settings.EvaluateJob`).

**Bits per byte**: the nats of all counted targets over ln 2 times the UTF-8 bytes of the text. Counted is every token
of a whole document but the one that begins it; each is predicted from what precedes it in its window, and windows are
disjoint, of the length that the model was trained on. The first window starts with the beginning-of-text token. So the
first tokens of later windows have little before them, and a strided measure would read somewhat lower.

The result lies at `evaluations/<name>/<fingerprint>`: `scores.parquet`, `documents.parquet`, `samples.json`.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from pipeline.schema import DOC_ID, show
from pipeline.store import Built, Store, Version
from training import baselines, data, export
from training.attention import see
from training.generate import generate
from training.learner import PRECISIONS, settle
from training.loss import cross_entropy
from training.model import Decoder
from training.settings import EvaluateConfig, EvaluateJob, evaluation_spec, read_job, say, version

Array = npt.NDArray[Any]

# A row for every held-out document that was measured.
DOCUMENT_SCORES = pa.schema(
    [
        pa.field("doc_id", DOC_ID, nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("tokens", pa.int64(), nullable=False),  # counted targets
        pa.field("bytes", pa.int64(), nullable=False),  # UTF-8 bytes of the text
        pa.field("nats", pa.float64(), nullable=False),  # of the model
        pa.field("unigram_nats", pa.float64(), nullable=False),
        pa.field("gzip_bytes", pa.int64(), nullable=False),  # of the document on its own
        pa.field("xz_bytes", pa.int64(), nullable=False),
    ]
)

# A row for every figure. Where `split` or `source` is null, it is over all of them.
SCORES = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),  # model | unigram | gzip | xz | gzip_concatenated | xz_concatenated
        pa.field("split", pa.string()),
        pa.field("source", pa.string()),
        pa.field("metric", pa.string(), nullable=False),  # loss (nats a token) | perplexity | bits_per_byte
        pa.field("value", pa.float64(), nullable=False),
        pa.field("error", pa.float64()),  # standard error, by the bootstrap over documents
        pa.field("documents", pa.int64(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
    ]
)

Group = tuple[str | None, str | None]  # split and source; None for all


def evaluate(job: EvaluateJob) -> Built:
    """Measure, unless it has been done. `ValueError` where a version is missing, or no document is held out."""
    store = Store(job.root)
    settle(job.threads, deterministic=True)
    return store.build(f"evaluations/{job.name}", evaluation_spec(store, job), lambda made: _write(made, job))


def _write(made: Version, job: EvaluateJob) -> dict[str, int]:
    store, config = made.store, job.evaluate
    documents = pa.concat_tables(_measured(store, job))
    texts = _Texts(documents, config)
    texts.read(store, job.corpus)
    documents = texts.completed(documents)
    made.table("documents.parquet", documents)
    made.table("scores.parquet", pa.Table.from_pylist(scores(documents, texts.concatenated, config), schema=SCORES))
    made.write("samples.json", json.dumps(_samples(store, job, texts.prompts), indent=1, ensure_ascii=False).encode())
    return {"documents": documents.num_rows, "bytes": int(documents["bytes"].to_numpy().sum()), "samples": len(texts.prompts)}


def _measured(store: Store, job: EvaluateJob) -> Iterator[pa.Table]:
    """The documents of each split with the model's nats and the unigram model's; compressors follow with the texts."""
    manifest = version(store, job.tokens)
    cache = Path(job.cache) if job.cache else store.folder("cache")
    model = export.read(store, job.run).to(job.device).eval()
    trained = version(store, job.run).spec["train"]
    token_nats = baselines.unigram(data.open_tokens(store, job.tokens, "train", cache), manifest.counts["vocabulary"])
    splits = [split for split in job.evaluate.splits if manifest.counts.get(f"documents_{split}")]
    if not splits:
        raise ValueError(f"{store.uri(job.tokens)}: documents in {' or '.join(job.evaluate.splits)} were expected")
    for split in splits:
        tokens = data.open_tokens(store, job.tokens, split, cache)
        nats, targets = document_nats(
            model, tokens, trained["sequence_tokens"], job.evaluate.windows_per_pass, PRECISIONS[trained["precision"]]
        )
        columns = ["doc_id", "source", "bytes"]
        rows = pa.concat_tables([store.table(f"{job.tokens}/{part}", columns) for part in manifest.paths(split)])
        rows = rows.append_column("split", pa.array([split] * rows.num_rows))
        rows = rows.append_column("tokens", pa.array(targets)).append_column("nats", pa.array(nats))
        yield rows.append_column("unigram_nats", pa.array(baselines.unigram_nats(token_nats, tokens)))


def windows(lengths: Array, window_tokens: int) -> data.Pieces:
    """Disjoint windows over whole documents of these lengths, in rows of `window_tokens`.

    A last token has nothing to predict, and starts no window. What is left of a document after its full windows shares
    a row with what is left of the next ones, as long as it fits.
    """
    full = np.maximum(lengths - 1, 0) // window_tokens
    document = np.repeat(np.arange(len(lengths)), full)
    start = (np.arange(len(document)) - np.repeat(full.cumsum() - full, full)) * window_tokens
    rest = np.flatnonzero((lengths - 1) % window_tokens)
    left = (lengths - full * window_tokens)[rest]
    position, opens = np.empty_like(left), np.zeros(len(left), bool)
    used = window_tokens
    for i, length in enumerate(left):
        opens[i] = used + length > window_tokens
        position[i] = 0 if opens[i] else used
        used = position[i] + length
    first = np.concatenate([np.arange(len(document)), len(document) + np.flatnonzero(opens), [len(document) + len(left)]])
    zeros = np.zeros_like(document)
    return data.Pieces(
        first,
        np.concatenate([zeros, position]),
        np.concatenate([document, rest]),
        np.concatenate([start, (full * window_tokens)[rest]]),
        np.concatenate([zeros + window_tokens, left]),
    )


@torch.no_grad()
def document_nats(
    model: Decoder, tokens: data.Tokens, window_tokens: int, windows_per_pass: int, precision: torch.dtype
) -> tuple[Array, Array]:
    """The summed nats of each document's text, and the number of its targets."""
    lengths = np.diff(tokens.bounds)
    nats, targets = np.zeros(len(lengths)), np.zeros(len(lengths), np.int64)
    pieces, device = windows(lengths, window_tokens), model.head.device
    for first in range(0, pieces.sequences, windows_per_pass):
        found = data.batch(tokens, pieces, first, windows_per_pass, window_tokens, endings=False)
        read, wanted, documents = (torch.from_numpy(array).to(device) for array in found[:3])
        hidden = model(read, see(documents, precision=precision), precision)
        _, each = cross_entropy(hidden, model.head, wanted, window_tokens)
        total, count = data.by_document(each.cpu().numpy(), found)
        nats[found.present] += total
        targets[found.present] += count
    return nats, targets


class _Texts:
    """What one reading of the corpus gives: compressed sizes, and prompts."""

    def __init__(self, documents: pa.Table, config: EvaluateConfig) -> None:
        ids = documents["doc_id"].combine_chunks().storage.to_pylist()
        groups = zip(documents["split"].to_pylist(), documents["source"].to_pylist(), strict=True)
        self._groups: dict[bytes, tuple[str, str]] = dict(zip(ids, groups, strict=True))
        self._streams: dict[Group, baselines.Concatenated] = {}
        self._alone: dict[bytes, dict[str, int]] = {}
        drawn = np.random.Generator(np.random.PCG64(config.seed)).permutation(len(ids))[: config.samples]
        self._prompted = {sorted(ids)[index] for index in drawn}
        self._prompt_chars = config.prompt_chars
        self.prompts: list[tuple[bytes, str]] = []

    def read(self, store: Store, corpus: str) -> None:
        """Read every held-out document once, in the corpus's order. `ValueError` where one is not there."""
        for part in version(store, corpus).paths("documents"):
            for batch in store.batches(f"{corpus}/{part}", ["doc_id", "text"], rows=256):
                for doc_id, text in zip(batch["doc_id"].storage.to_pylist(), batch["text"].to_pylist(), strict=True):
                    if doc_id in self._groups:
                        self._take(doc_id, text)
        for doc_id in self._groups.keys() - self._alone.keys():
            raise ValueError(f"{store.uri(corpus)}: the text of document {show(doc_id)} was expected")
        self.prompts.sort()
        self.concatenated = {group: stream.sizes() for group, stream in self._streams.items()}

    def completed(self, documents: pa.Table) -> pa.Table:
        """The documents with their compressed sizes."""
        ids = documents["doc_id"].combine_chunks().storage.to_pylist()
        for name in ("gzip", "xz"):
            documents = documents.append_column(f"{name}_bytes", pa.array([self._alone[doc_id][name] for doc_id in ids]))
        return documents.select(DOCUMENT_SCORES.names).cast(DOCUMENT_SCORES)

    def _take(self, doc_id: bytes, text: str) -> None:
        raw = text.encode()
        self._alone[doc_id] = baselines.compressed(raw)
        for group in groups_of(*self._groups[doc_id]):
            self._streams.setdefault(group, baselines.Concatenated()).add(raw)
        if doc_id in self._prompted:
            self.prompts.append((doc_id, text[: self._prompt_chars]))


def groups_of(split: str, source: str) -> tuple[Group, ...]:
    """The groups that a document counts in."""
    return ((split, source), (split, None), (None, source), (None, None))


def scores(documents: pa.Table, concatenated: dict[Group, dict[str, int]], config: EvaluateConfig) -> list[dict[str, Any]]:
    """The rows of `SCORES`, for every group of documents."""
    splits, sources = (documents[name].to_numpy() for name in ("split", "source"))
    rows = []
    for split, source in sorted(concatenated, key=str):
        chosen = np.ones(len(splits), bool)
        chosen &= (splits == split) if split is not None else True
        chosen &= (sources == source) if source is not None else True
        own = documents.filter(pa.array(chosen))
        sizes = own["bytes"].to_numpy().sum()
        shared = {"split": split, "source": source, "documents": own.num_rows, "bytes": int(sizes)}
        rows += [{**shared, **row} for row in _figures(own, config)]
        for name, size in concatenated[split, source].items():
            rows.append({**shared, "name": f"{name}_concatenated", "metric": "bits_per_byte", "value": 8 * size / sizes, "error": None})
    return rows


def _figures(documents: pa.Table, config: EvaluateConfig) -> Iterator[dict[str, Any]]:
    """Each figure over some documents, with the spread of the same figure over documents drawn from them with replacement."""
    columns = ("tokens", "bytes", "nats", "unigram_nats", "gzip_bytes", "xz_bytes")
    table = np.stack([documents[name].to_numpy().astype(np.float64) for name in columns], axis=1)
    count = len(table)
    random = np.random.Generator(np.random.PCG64(config.seed))
    draws = (np.bincount(random.integers(0, count, count), minlength=count) @ table for _ in range(config.bootstrap_resamples))
    sums = np.stack([table.sum(axis=0), *draws])
    tokens, size, nats, unigram, gzip, xz = sums.T
    figures = {
        ("model", "loss"): nats / tokens,
        ("model", "perplexity"): np.exp(nats / tokens),
        ("model", "bits_per_byte"): bits_per_byte(nats, size),
        ("unigram", "bits_per_byte"): bits_per_byte(unigram, size),
        ("gzip", "bits_per_byte"): 8 * gzip / size,
        ("xz", "bits_per_byte"): 8 * xz / size,
    }
    for (name, metric), values in figures.items():
        error = float(values[1:].std(ddof=1)) if count > 1 and len(values) > 2 else None
        yield {"name": name, "metric": metric, "value": float(values[0]), "error": error}


def bits_per_byte(nats: Array, size: Array) -> Array:
    """Nats over ln 2 times bytes."""
    return nats / (math.log(2) * size)


def _samples(store: Store, job: EvaluateJob, prompts: list[tuple[bytes, str]]) -> list[dict[str, Any]]:
    """What the model makes of the beginnings of held-out documents."""
    config = job.evaluate
    with TemporaryDirectory() as copy:
        folder = store.path(f"{job.run}/{export.FOLDER}")
        if not store.local:
            folder = copy
            for path in version(store, job.run).paths(export.FOLDER):
                Path(copy, Path(path).name).write_bytes(store.read(f"{job.run}/{path}"))
        drawn = {"max_tokens": config.sample_tokens, "top_k": config.top_k, "seed": config.seed}
        return [
            {
                "doc_id": show(doc_id),
                "prompt": prompt,
                "completion": generate(folder, prompt, temperature=config.temperature, **drawn),
                "temperature": config.temperature,
                **drawn,
            }
            for doc_id, prompt in prompts
        ]


def main() -> None:
    """Run the job in the file that the command line names; the last line of standard output tells where the result lies."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m training.evaluate JOB.json")
    try:
        built = evaluate(read_job(sys.argv[1], EvaluateJob))
    except ValueError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    say(status="finished" if built.made else "there already", path=built.path)


if __name__ == "__main__":
    main()
