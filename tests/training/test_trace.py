"""From the loss back to the documents: what does not belong among the training documents is found by a stored query."""

from __future__ import annotations

import pkgutil
import pydoc
import random
import string
import sys
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest
from training_world import World

from dashboards import query
from pipeline import order, pack, schema, tokenizer
from pipeline.schema import DOCUMENTS, doc_id, doc_ids
from pipeline.store import Store, Version
from training.settings import ModelConfig
from training.train import train

SEQUENCE_TOKENS = 128
DOCUMENTS_IN_TRAIN = 2400
BESIDE_A_SPIKE = 1000
PAGE_CHARS = 900
SETTINGS = {"sequence_tokens": SEQUENCE_TOKENS, "sequences_per_step": 8, "epochs": 2, "steps": None, "learning_rate": 4e-3}
SETTINGS |= {"warmup_steps": 20, "checkpoint_every_steps": 500, "loss_chunk_tokens": 1024}
SMALL = ModelConfig(layers=2, width=64, heads=2, kv_heads=2, feed_forward=128)


# No longer in every Python, or of a kind that documents nothing.
LEFT_OUT = {"antigravity", "this", "cgi", "cgitb", "crypt", "imghdr", "imp", "lib2to3", "mailcap", "nis", "nntplib", "idlelib"}


def prose(count: int) -> list[str]:
    """Pages of the documentation of Python's own modules."""
    pages: list[str] = []
    modules = (name for _, name, _ in pkgutil.iter_modules() if name in sys.stdlib_module_names and not name.startswith("_"))
    for module in sorted(set(modules) - LEFT_OUT):
        text = pydoc.plain(pydoc.render_doc(module))
        pages += [text[start : start + PAGE_CHARS] for start in range(0, len(text) - PAGE_CHARS, PAGE_CHARS)]
        if len(pages) >= count:
            break
    return pages[:count]


def gibberish(count: int, words: int) -> list[str]:
    """Words of letters drawn at random, as long as words are."""
    drawn = random.Random(11)

    def word() -> str:
        return "".join(drawn.choices(string.ascii_lowercase, k=drawn.randint(2, 9)))

    return [" ".join(word() for _ in range(words)) for _ in range(count)]


def planted_world(root: Path, documents: int, count: int, words: int) -> tuple[World, set[bytes]]:
    """A token set of so many documents and so many of gibberish among them, of the same two sources; and the ids of the latter."""
    store = Store(root)
    texts = [*prose(documents), *gibberish(count, words)]
    ids = [doc_id("pages", str(i).encode()) for i in range(len(texts))]
    rows = sorted(zip(ids, texts, strict=True))
    columns = [
        doc_ids([key for key, _ in rows]),
        pa.array(["even" if key[0] % 2 == 0 else "odd" for key, _ in rows]),
        pa.nulls(len(rows), pa.string()),
        pa.array(["train"] * len(rows)),
        pa.array([text for _, text in rows]),
    ]
    table = pa.table(columns, schema=DOCUMENTS)
    corpus = store.build(
        "corpora/pages", {}, lambda made: made.table("documents/part-00000.parquet", table) or {"documents": len(rows)}
    ).path
    trained = tokenizer.build(store, "pages", corpus, tokenizer.TokenizerConfig(vocabulary=1024)).path
    made = pack.build(store, "pages", corpus, trained, pack.PackConfig())
    store.point("tokens/pages", made.manifest.fingerprint)
    return World(store, corpus, trained, made.path, ()), set(ids[len(texts) - count :])


def trained(world: World, orders: tuple[str, ...], **changed: object) -> None:
    job = replace(world, orders=orders).train_job("pages", SMALL, **{**SETTINGS, **changed})
    world.store.point("runs/pages", train(job).manifest.fingerprint)


def named(world: World, question: str) -> list[bytes]:
    return list(dict.fromkeys(UUID(key).bytes for key in query.run(world.store, question)["doc_id"].to_pylist()))


@pytest.mark.verify
def test_gibberish_scattered_in_train_is_what_surprises_most(tmp_path: Path) -> None:
    planted_count = DOCUMENTS_IN_TRAIN // 200  # 0.5 %
    world, planted = planted_world(tmp_path, DOCUMENTS_IN_TRAIN, planted_count, PAGE_CHARS // 7)
    plan = order.OrderConfig(sequence_tokens=SEQUENCE_TOKENS)
    trained(world, tuple(order.build(world.store, world.tokens, plan, epoch).path for epoch in range(2)))
    found = set(named(world, "surprising")[:planted_count])
    print("precision and recall", len(found & planted) / planted_count)
    assert len(found & planted) >= 0.95 * planted_count


def side_by_side(world: World, planted: set[bytes]) -> str:
    """A packing plan in which the planted documents stand side by side, two thirds into the epoch."""
    table = world.store.table(f"{world.tokens}/train/part-00000.parquet", ["doc_id", "tokens"])
    lengths = dict(
        zip(table["doc_id"].combine_chunks().storage.to_pylist(), (len(row) for row in table["tokens"].to_pylist()), strict=True)
    )
    others = [key for key in lengths if key not in planted]
    read = [*others[: len(others) * 2 // 3], *sorted(planted), *others[len(others) * 2 // 3 :]]
    rows: list[tuple[int, int, bytes, int, int]] = []
    place = 0
    for key in read:
        start = 0
        while start < lengths[key]:
            length = min(lengths[key] - start, SEQUENCE_TOKENS - place % SEQUENCE_TOKENS)
            rows.append((place // SEQUENCE_TOKENS, place % SEQUENCE_TOKENS, key, start, length))
            place, start = place + length, start + length
    sequence, position, keys, start_of, length_of = zip(*rows, strict=True)
    row = {key: number for number, key in enumerate(lengths)}
    places = [np.array(sequence), np.array(position, np.int32), doc_ids(list(keys)), np.array(start_of), np.array(length_of, np.int32)]
    columns = [*places, np.array([row[key] for key in keys]), ["books"] * len(keys)]

    def write(made: Version) -> dict[str, int]:
        made.table("sequences/part-00000.parquet", pa.table([pa.array(column) for column in columns], schema=schema.ORDER))
        return {"sequences": sequence[-1] + 1}

    return world.store.build("order", {"kind": "order", "planted": len(planted)}, write).path


@pytest.mark.verify
def test_a_spike_names_the_documents_that_made_it(tmp_path: Path) -> None:
    world, planted = planted_world(tmp_path, BESIDE_A_SPIKE, 200, 30)
    trained(world, (side_by_side(world, planted),), epochs=1, sequences_per_step=16)
    found = set(named(world, "spike"))
    print("named", len(found & planted) / len(planted), "of all that are named", len(found & planted) / len(found))
    assert len(found & planted) >= 0.95 * len(planted)
    assert len(found & planted) >= 0.8 * len(found)
