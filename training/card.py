"""The model card and its provenance: what a model was made of and how, from the manifests that led to it.

`model/README.md` is written when training ends, with what is known then, and `model/provenance.json` holds the
specifications and fingerprints of all that the model came from. A finished run never changes: so the card with figures is
the `README.md` of an evaluation.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.store import Manifest, Spec, Store, Version, fingerprint
from training.evaluation import NAMES
from training.export import FOLDER
from training.settings import TrainJob, run_spec, version

_FRONT = """---
library_name: transformers
pipeline_tag: text-generation
# license: to be filled in by whoever publishes this model
---
"""
_USE = """To continue a text in the manner of the data above, to study how data shapes a small language model, or as a start for training
on. It has seen no instructions and no conversations, and answers no questions. What it writes may be wrong, offensive or
copied from the data; it knows nothing of what the data does not hold, and no one has tested it for any use with consequences."""


def add(run: Version, job: TrainJob, counts: Mapping[str, int]) -> None:
    """Write the card and the provenance into the model folder of a run that is ending with these counts."""
    store = run.store
    spec = run_spec(store, job)
    run.write(f"{FOLDER}/README.md", _card(store, job.tokens, spec, counts, None).encode())
    made_of = {"tokens": version(store, job.tokens), "tokenizer": version(store, job.tokenizer), "corpus": _corpus(store, job.tokens)}
    found: dict[str, Any] = {"run": _identity(spec), **{name: _identity(made.spec) for name, made in made_of.items() if made}}
    found["orders"] = [_identity(version(store, order).spec) for order in job.orders]
    run.write(f"{FOLDER}/provenance.json", (json.dumps(found, indent=1) + "\n").encode())


def write(store: Store, run: str, tokens: str, scores: pa.Table) -> str:
    """The card of a finished run, with its figures (`training.evaluation.figures.SCORES`)."""
    made = version(store, run)
    return _card(store, tokens, made.spec, made.counts, scores)


def _identity(spec: Spec) -> dict[str, Any]:
    return {"fingerprint": fingerprint(spec), "spec": spec}


def _corpus(store: Store, tokens: str) -> Manifest | None:
    """The manifest of the corpus that a token set was made of; None where it is no longer there."""
    return store.manifest(_corpus_place(store, tokens))


def _corpus_place(store: Store, tokens: str) -> str:
    return f"corpora/{tokens.split('/')[1]}/{version(store, tokens).spec['corpus']}"


def _card(store: Store, tokens: str, spec: Spec, counts: Mapping[str, int], scores: pa.Table | None) -> str:
    sections = {
        "Training data": data(store, tokens),
        "Training": _training(spec, counts, version(store, tokens)),
        "Figures": _figures(scores),
        "Intended use and limits": [_USE],
        "Licence": ["Not stated: it depends on the data, and is for whoever publishes the model to say."],
        "Provenance": [_provenance(spec, tokens)],
    }
    text = "\n".join(f"\n## {title}\n\n" + "\n".join(lines) for title, lines in sections.items())
    name = tokens.split("/")[1]
    start = spec.get("start")
    begun = f"trained on from checkpoint {start['checkpoint']} ({start['keep']})" if start else "trained from scratch"
    return f"{_FRONT}\n# {name}\n\nA causal language model of {counts['parameters']:,} parameters, {begun}.\n{text}\n"


def _table(titles: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> list[str]:
    lines = [titles, tuple("---" if place == 0 else "---:" for place in range(len(titles))), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def data(store: Store, tokens: str) -> list[str]:
    """The lines on what came in, was kept and was dropped, by source and by rule."""
    corpus, place = _corpus(store, tokens), _corpus_place(store, tokens)
    if corpus is None:
        return [f"The corpus {place} is no longer there."]
    fates: Counter[tuple[str, str | None]] = Counter()
    for part in corpus.paths("fates"):
        for batch in store.batches(f"{place}/{part}", ["source", "rule"], rows=2**16):
            fates.update(zip(batch["source"].to_pylist(), batch["rule"].to_pylist(), strict=True))
    if not fates:
        return [f"{corpus.counts['documents']:,} documents of corpus {corpus.fingerprint}."]
    sources, rules = Counter[str](), Counter[str]()
    for (source, rule), count in fates.items():
        sources[source] += count
        rules[rule or ""] += count
    kept = {source: fates[source, None] for source in sources}
    dropped = ((rule, f"{count:,}") for rule, count in sorted(rules.items(), key=lambda item: (-item[1], item[0])) if rule)
    return [
        f"{sum(sources.values()):,} records came in, {rules['']:,} were kept.",
        "",
        *_table(("source", "records", "kept"), ((source, f"{sources[source]:,}", f"{kept[source]:,}") for source in sorted(sources))),
        "",
        *_table(("dropped by", "records"), dropped),
    ]


def _training(spec: Spec, counts: Mapping[str, int], tokens: Manifest) -> list[str]:
    held = tokens.counts
    text = (
        f"{counts['tokens']:,} target tokens in {counts['steps']:,} steps, of a set of {held['tokens_train']:,} tokens "
        f"({held['documents_train']:,} documents, {held['bytes_train']:,} bytes) in a vocabulary of {held['vocabulary']:,}."
    )
    settings = [*_flat("model", spec["model"]), *_flat("train", spec["train"]), *_flat("uses", spec["uses"])]
    return [text, "", *_table(("setting", "value"), iter(settings))]


def _flat(table: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    return ((f"{table}.{name}", json.dumps(value)) for name, value in sorted(values.items()))


def _figures(scores: pa.Table | None) -> list[str]:
    if scores is None:
        return ["Not measured when training ended. The card of each evaluation of this run has them."]
    overall = scores.filter(pc.field("split").is_null() & pc.field("breakdown").is_null()).to_pylist()
    bits = sorted((row for row in overall if row["metric"] == "bits_per_byte"), key=lambda row: row["value"])
    first = bits[0]
    windows = next(row["windows"] for row in overall if row["name"] == "model")
    lines = [
        f"On {first['documents']:,} held-out documents of {first['bytes']:,} bytes, in bits per byte; the model reads {windows} windows of "
        "its context's length. Errors are standard errors, by the bootstrap over documents.",
        *(["These are too few documents or bytes to go by."] if first["few"] else []),
        "",
    ]
    rows = ((NAMES[row["name"]], _value(row)) for row in bits)
    return [*lines, *_table(("", "bits per byte"), rows)]


def _value(row: Mapping[str, Any]) -> str:
    return f"{row['value']:.3f}" + (f" ± {row['error']:.3f}" if row["error"] else "")


def _provenance(spec: Spec, tokens: str) -> str:
    return (
        f"Run {fingerprint(spec)}, of token set {tokens.split('/')[2]} and tokenizer {spec['tokenizer']}. `provenance.json` in the model's "
        "folder has all that the run depends on: bounds, deduplication, splits, tokenizer, packing, model and training."
    )
