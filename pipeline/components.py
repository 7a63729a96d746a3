"""Which component of a mixture each document is of: its source, and whatever of its signals the recipe names.

Read from the token set and from the signals of the shards that its corpus is made of, in the order of the token set's files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import shard_tables
from pipeline.mixture import Component, MixtureConfig, components
from pipeline.packing import Ints
from pipeline.store import Manifest, Store

SOURCE = "source"
NONE = "(none)"  # the component of documents that have no value
_ROWS_AT_ONCE = 4096

Ids = npt.NDArray[Any]  # 16 bytes each


class Documents(NamedTuple):
    """Documents by row: 16 bytes of identity, how many tokens, and a number for each source of `sources`."""

    ids: Ids
    lengths: Ints
    source: Ints
    sources: list[str]


def train_documents(store: Store, tokens: str, manifest: Manifest) -> Documents:
    """Those of a token set's train split, in the order of its files."""
    ids, lengths, numbers, sources = [], [], [], dict[str, int]()
    for path in manifest.paths("train"):
        for batch in store.batches(f"{tokens}/{path}", ["doc_id", SOURCE, "tokens"], rows=_ROWS_AT_ONCE):
            ids.append(storage_of(batch["doc_id"]))
            lengths.append(pc.list_value_length(batch["tokens"]).to_numpy().astype(np.int64))
            numbers.append(_numbered(batch[SOURCE], sources))
    return Documents(np.concatenate(ids), np.concatenate(lengths), np.concatenate(numbers), list(sources))


def corpus_documents(store: Store, corpus: str) -> Documents:
    """Those of a corpus's train split, with their bytes of UTF-8 for lengths: for estimates before there are tokens."""
    manifest = store.manifest(corpus)
    if manifest is None:
        raise ValueError(f"{store.uri(corpus)}: a finished corpus was expected here")
    ids, lengths, numbers, sources = [np.empty(0, "V16")], [np.empty(0, np.int64)], [np.empty(0, np.int64)], dict[str, int]()
    for path in manifest.paths("documents"):
        for batch in store.batches(f"{corpus}/{path}", ["doc_id", SOURCE, "split", "text"], rows=_ROWS_AT_ONCE):
            own = batch.filter(pc.equal(batch["split"], "train"))
            ids.append(storage_of(own["doc_id"]))
            lengths.append(pc.binary_length(own["text"]).to_numpy().astype(np.int64))
            numbers.append(_numbered(own[SOURCE], sources))
    return Documents(np.concatenate(ids), np.concatenate(lengths), np.concatenate(numbers), list(sources))


def storage_of(ids: pa.ExtensionArray) -> Ids:
    """The 16 bytes of each id, copied."""
    storage = ids.storage
    return np.frombuffer(storage.buffers()[1], "V16", len(storage), 16 * storage.offset).copy()


def mixed(store: Store, documents: Documents, corpus: str, config: MixtureConfig) -> tuple[Ints, list[Component]]:
    """The component that each document is of, by number, and what a pass takes of each, by name.

    `corpus` is where the corpus lies whose shards have the signals. `ValueError` where a signal is not there.
    """
    signals = [name for name in config.by if name != SOURCE]
    measured = _measured(store, documents.ids, corpus, signals, config.edges) if signals else {}
    columns = [(documents.source, documents.sources) if name == SOURCE else measured[name] for name in config.by]
    flat = np.zeros(len(documents.ids), np.int64)
    for numbers, values in columns:
        flat = flat * len(values) + numbers
    present, component = np.unique(flat, return_inverse=True)
    names = [_name(int(number), [values for _, values in columns]) for number in present]
    by_name = sorted(range(len(names)), key=names.__getitem__)
    place = np.empty(len(names), np.int64)
    place[by_name] = np.arange(len(names))
    component = place[component]
    counts = np.bincount(component, minlength=len(names)).tolist()
    tokens = np.zeros(len(names), np.int64)
    np.add.at(tokens, component, documents.lengths)
    return component, components(sorted(names), counts, tokens.tolist(), config)


def _name(number: int, values: Sequence[Sequence[str]]) -> str:
    parts = []
    for each in reversed(values):
        number, own = divmod(number, len(each))
        parts.append(each[own])
    return "/".join(reversed(parts))


def _measured(
    store: Store, ids: Ids, corpus: str, names: Sequence[str], edges: Mapping[str, Sequence[float]]
) -> dict[str, tuple[Ints, list[str]]]:
    """Of each signal, a number for each document's value, and the values by number."""
    # Of 16 bytes each, so that it does not matter that numpy takes zeros at the end for padding.
    keys = ids.view("S16")
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    known = {name: {NONE: 0} | {label: 1 + place for place, label in enumerate(_labels(edges.get(name, ())))} for name in names}
    numbers = {name: np.zeros(len(ids), np.int64) for name in names}
    for table in _signals(store, corpus, names):
        wanted = storage_of(table["doc_id"]).view("S16")
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        hit = np.flatnonzero(keys[place] == wanted)
        rows = order[place[hit]]
        for name in names:
            values = table[name].take(pa.array(hit))
            found = _bucketed(values, edges[name]) if name in edges else _labelled(name, values, known[name])
            numbers[name][rows] = found
    return {name: (numbers[name], list(known[name])) for name in names}


def _signals(store: Store, corpus: str, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    manifest = store.manifest(corpus)
    if manifest is None:
        raise ValueError(f"mixture.by: {store.uri(corpus)}: the corpus was expected there, with the signals {', '.join(names)}")
    for shard in manifest.spec["shards"]:
        if missing := set(names) - set(shard_tables.columns(store, shard, "signals")):
            raise ValueError(f"mixture.by: {', '.join(sorted(missing))}: expected `source` or a signal that the recipe's steps measure")
        yield from store.batches(shard_tables.place(shard, "signals"), ["doc_id", *names], rows=_ROWS_AT_ONCE)


def _labels(edges: Sequence[float]) -> list[str]:
    """The names of buckets between edges, from low to high; none where there are no edges."""
    told = [repr(float(edge)).removesuffix(".0") for edge in edges]
    return [f"<{told[0]}", *(f"{low}..{high}" for low, high in pairwise(told)), f">={told[-1]}"] if edges else []


def _bucketed(values: pa.Array, edges: Sequence[float]) -> Ints:
    numbers = values.cast(pa.float64()).fill_null(np.nan).to_numpy()
    return np.where(np.isnan(numbers), 0, 1 + np.searchsorted(np.array(edges), numbers, "right"))


def _labelled(name: str, values: pa.Array, known: dict[str, int]) -> Ints:
    if pa.types.is_floating(values.type):
        raise ValueError(f"mixture.edges.{name}: missing; expected the values at which buckets of this number begin")
    return _numbered(values.cast(pa.string()).fill_null(NONE), known)


def _numbered(values: pa.Array, known: dict[str, int]) -> Ints:
    """A number for each text, in the order in which they first come up."""
    distinct = values.dictionary_encode()
    own = np.array([known.setdefault(value, len(known)) for value in distinct.dictionary.to_pylist()], np.int64)
    return own[distinct.indices.to_numpy()] if len(own) else np.empty(0, np.int64)
