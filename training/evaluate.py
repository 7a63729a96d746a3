"""Measuring a model on held-out documents: `python -m training.evaluate JOB.json` (a `training.settings.EvaluateJob`).

**Bits per byte**: the nats of all counted targets over ln 2 times the UTF-8 bytes of the text. Counted is every token
of a whole document but the one that begins it, predicted from what precedes it in its window (`training.evaluation.windows`).

The result lies at `evaluations/<name>/<fingerprint>`: `scores.parquet`, `documents.parquet`, `samples.json`, and `README.md`, the
model's card with these figures.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from pipeline.schema import show
from pipeline.store import Built, Manifest, Store, Version
from training import card, entry, export, mapped
from training.evaluation import figures, frequencies
from training.evaluation.documents import DOCUMENT_SCORES, LANGUAGE, signals
from training.evaluation.texts import Told, tell
from training.evaluation.windows import document_nats
from training.generate import generate
from training.runtime import PRECISIONS, settle
from training.settings import EvaluateJob, cache_folder, evaluation_spec, version


def evaluate(job: EvaluateJob) -> Built:
    """Measure, unless it has been done. `ValueError` where a version is missing, or no document is held out."""
    store = Store(job.root)
    settle(job.threads, deterministic=True)
    return store.build(f"evaluations/{job.name}", evaluation_spec(store, job), lambda made: _write(made, job))


def _write(made: Version, job: EvaluateJob) -> dict[str, int]:
    store, config = made.store, job.evaluate
    manifest = version(store, job.tokens)
    train = mapped.open_tokens(store, job.tokens, "train", cache_folder(store, job))
    five_gram, told_tokens = frequencies.five_gram(train, manifest.counts["vocabulary"], config.five_gram_tokens)
    documents = pa.concat_tables(_measured(store, job, manifest, train, five_gram))
    told = tell(store, job.corpus, documents, config)
    documents = _completed(store, job, documents, told)
    found = figures.scores(documents, _whole(told), config)
    made.table("documents.parquet", documents)
    made.table("scores.parquet", found)
    made.write("samples.json", json.dumps(_samples(store, job, told.prompts), indent=1, ensure_ascii=False).encode())
    made.write("README.md", card.write(store, job.run, job.tokens, found).encode())
    size = int(documents["bytes"].to_numpy().sum())
    return {"documents": documents.num_rows, "bytes": size, "samples": len(told.prompts), "five_gram_tokens": told_tokens}


def _measured(
    store: Store, job: EvaluateJob, manifest: Manifest, train: mapped.Tokens, five_gram: frequencies.Ngrams
) -> Iterator[pa.Table]:
    """The documents of each split with the nats of all that predicts tokens."""
    vocabulary, config = manifest.counts["vocabulary"], job.evaluate
    model = export.read(store, job.run).to(job.device).eval()
    trained = version(store, job.run).spec["train"]
    window, precision = trained["sequence_tokens"], PRECISIONS[trained["precision"]]
    if config.stride_tokens and config.stride_tokens > window:
        raise ValueError(f"evaluate.stride_tokens: at most the {window} tokens of a window were expected, not {config.stride_tokens}")
    token_nats = frequencies.unigram(train, vocabulary)
    splits = [split for split in config.splits if manifest.counts.get(f"documents_{split}")]
    if not splits:
        wanted = f"documents in {' or '.join(config.splits)} were expected; larger shares of [split] hold some out"
        raise ValueError(f"{store.uri(job.tokens)}: {wanted}")
    for split in splits:
        tokens = mapped.open_tokens(store, job.tokens, split, cache_folder(store, job))
        nats, targets = document_nats(model, tokens, window, config.stride_tokens or window, config.windows_per_pass, precision)
        columns = ["doc_id", "source", "bytes"]
        rows = pa.concat_tables([store.table(f"{job.tokens}/{part}", columns) for part in manifest.paths(split)])
        rows = rows.append_column("split", pa.array([split] * rows.num_rows))
        rows = rows.append_column("tokens", pa.array(targets)).append_column("nats", pa.array(nats))
        rows = rows.append_column("unigram_nats", pa.array(frequencies.unigram_nats(token_nats, tokens)))
        yield rows.append_column("five_gram_nats", pa.array(frequencies.five_gram_nats(five_gram, tokens, vocabulary)))


def _completed(store: Store, job: EvaluateJob, documents: pa.Table, told: Told) -> pa.Table:
    """The documents with what their texts and the corpus's signals tell. `ValueError` where a signal that is named is none."""
    named = job.evaluate.quality_signal
    wanted = {LANGUAGE: pa.string(), **({named: pa.float64()} if named else {})}
    found = signals(store, job.corpus, documents["doc_id"].combine_chunks().storage, wanted)
    if named and named not in found:
        raise ValueError(f"evaluate.quality_signal: a signal that the corpus has was expected, not {named!r}")
    nothing = [None] * documents.num_rows
    columns = {
        "language": found.get(LANGUAGE, nothing),
        "quality": found.get(named or "", nothing),
        "gzip_bytes": told.alone["gzip"],
        "xz_bytes": told.alone["xz"],
        "train_share": told.train_shares,
    }
    for name, values in columns.items():
        documents = documents.append_column(name, pa.array(values, DOCUMENT_SCORES.field(name).type))
    return documents.select(DOCUMENT_SCORES.names).cast(DOCUMENT_SCORES)


def _whole(told: Told) -> dict[tuple[str | None, str | None], dict[str, int]]:
    """The sizes of documents compressed together, by group and name."""
    found = {group: {f"{name}_concatenated": size for name, size in sizes.items()} for group, sizes in told.concatenated.items()}
    found[None, None]["xz_primed"] = told.primed
    return found


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


if __name__ == "__main__":
    entry.run(EvaluateJob, evaluate)
