"""Task files for lm-evaluation-harness, made from held-out text: no network, and nothing that the model was trained on.

`rolling` is the log-likelihood of whole documents, of which the harness makes bits per byte. `cloze` asks which of four
continues the beginning of a document: what does, or what stands at the same place of three others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.store import Store
from training import settings

CONTEXT_CHARS, CHOICE_CHARS = 240, 80
CHOICES = 4
TASKS = {
    "rolling": {
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{text}}",
        "metric_list": [{"metric": "bits_per_byte"}],
    },
    "cloze": {
        "output_type": "multiple_choice",
        "doc_to_text": "{{context}}",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "{{label}}",
        "target_delimiter": "",
        "metric_list": [{"metric": name, "aggregation": "mean", "higher_is_better": True} for name in ("acc", "acc_norm")],
    },
}


def write(store: Store, corpus: str, beginning: str, config: settings.EvaluateConfig, folder: Path) -> None:
    """`<task>.yaml` and `<task>.jsonl` of each task, from the documents that an evaluation measures, in their order by `doc_id`.

    `beginning` is the token, as text, that begins every document.
    """
    texts = [text for _, text in sorted(_held_out(store, corpus, config.splits)) if text]
    rows = {"rolling": [{"text": text} for text in texts], "cloze": list(_cloze(texts, beginning, config.seed))}
    for name, task in TASKS.items():
        file = folder / f"{name}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows[name]))
        about = {"task": name, "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(file)}}, "test_split": "test"}
        (folder / f"{name}.yaml").write_text(json.dumps({**about, **task, "metadata": {"version": 1}}, indent=1))  # JSON is YAML


def _held_out(store: Store, corpus: str, splits: tuple[str, ...]) -> Iterator[tuple[bytes, str]]:
    for part in settings.version(store, corpus).paths("documents"):
        for batch in store.batches(f"{corpus}/{part}", ["doc_id", "split", "text"]):
            columns = (batch[name].to_pylist() for name in ("split", "text"))
            for key, split, text in zip(batch["doc_id"].storage.to_pylist(), *columns, strict=True):
                if split in splits:
                    yield key, text


def _cloze(texts: list[str], beginning: str, seed: int) -> Iterator[dict[str, Any]]:
    long = [text for text in texts if len(text) >= CONTEXT_CHARS + CHOICE_CHARS]
    parts = [text[CONTEXT_CHARS : CONTEXT_CHARS + CHOICE_CHARS] for text in long]
    if len(long) < CHOICES:
        raise ValueError(f"{CHOICES} held-out documents of {CONTEXT_CHARS + CHOICE_CHARS} characters were expected, not {len(long)}")
    random = np.random.Generator(np.random.PCG64(seed))
    for number, text in enumerate(long):
        drawn = random.permutation(len(long))
        others = drawn[drawn != number][: CHOICES - 1]
        label = int(random.integers(CHOICES))
        choices = np.insert(others, label, number)
        # The beginning is written out, since it is not to be put before whole documents too, where the harness does so itself.
        context = beginning + text[:CONTEXT_CHARS]
        yield {"context": context, "choices": [parts[choice] for choice in choices], "label": label}
