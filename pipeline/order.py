"""The packing plan: which tokens of which document stand where in which training sequence, for one epoch.

Written down before training, so that the order of the data can be looked at, joined and resumed. It follows from the
token set, the mixture, the configuration and the epoch alone. An epoch is one pass over what the mixture takes: everything
once, unless the recipe says otherwise.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from pipeline import mixture, schema
from pipeline.components import Ids, mixed, train_documents
from pipeline.mixture import Component, MixtureConfig
from pipeline.packing import Ints, Pieces, best_fit, concatenate
from pipeline.step import Strict
from pipeline.store import Built, Spec, Store, Version

VERSION = 2

PART_ROWS = 2**20  # in a file, about
ROW_GROUP_ROWS = 2**17


class OrderConfig(Strict):
    """How documents become sequences."""

    sequence_tokens: int = Field(default=1024, ge=2, le=2**20)
    seed: int = Field(0, ge=0, lt=2**64)
    packing: Literal["concatenate", "best_fit"] = "best_fit"


class Plan(NamedTuple):
    """Pieces sorted by sequence and position, each one's position, and how many documents were cut, a repeated one each time."""

    pieces: Pieces
    position: Ints
    cut: int
    cut_concatenated: int  # that concatenate-and-split would have cut


def spec(tokens: str, config: OrderConfig, epoch: int, mix: MixtureConfig) -> Spec:
    """All that determines a packing plan over the token set of that fingerprint."""
    settings = {"config": config.model_dump(mode="json"), "mixture": mix.model_dump(mode="json"), "epoch": epoch}
    return {"kind": "order", "version": VERSION, "tokens": tokens, **settings}


def build(store: Store, tokens: str, config: OrderConfig, epoch: int, mix: MixtureConfig | None = None) -> Built:
    """The packing plan of a token set's train split for one epoch, at `order/<fingerprint>`.

    `sequences/` has `schema.ORDER`, `mixture.parquet` `schema.MIXTURE`. Every token that the mixture takes stands in it as often
    as it is taken. A sequence whose ranges fall short of `sequence_tokens` is padded at its end. Counts: `sequences`,
    `documents`, `placed` (documents, a repeated one each time), `tokens`, `padding_tokens`, `documents_cut` (placed in more than
    one range), and `documents_cut_concatenated` (that concatenate-and-split would cut). `ValueError` where `tokens` is no
    finished token set, the epoch is negative, or the mixture does not fit the documents.
    """
    manifest = store.manifest(tokens)
    if manifest is None or not manifest.paths("train"):
        raise ValueError(f"{store.uri(tokens)}: a finished token set was expected here")
    if epoch < 0:
        raise ValueError(f"an epoch of 0 or more was expected, not {epoch}")
    mix = mix or MixtureConfig()

    def write(version: Version) -> dict[str, int]:
        documents = train_documents(store, tokens, manifest)
        corpus = f"corpora/{tokens.split('/')[1]}/{manifest.spec.get('corpus')}"
        component, parts = mixed(store, documents, corpus, mix)
        copies = mixture.copies(documents.ids, documents.lengths, component, parts, config.seed, epoch)
        if not copies.any():
            raise ValueError(f"{store.uri(tokens)}: a mixture that takes a document of it was expected")
        made = plan(documents.lengths, config, epoch, copies)
        _write(version, documents.ids, component, [part.name for part in parts], made)
        version.table("mixture.parquet", _mixture(parts))
        total, sequences = int(documents.lengths @ copies), int(made.pieces.sequence[-1]) + 1
        return {
            "sequences": sequences,
            "documents": int(np.count_nonzero(copies)),
            "placed": int(copies.sum()),
            "tokens": total,
            "padding_tokens": sequences * config.sequence_tokens - total,
            "documents_cut": made.cut,
            "documents_cut_concatenated": made.cut_concatenated,
        }

    return store.build("order", spec(manifest.fingerprint, config, epoch, mix), write)


def plan(lengths: Ints, config: OrderConfig, epoch: int, copies: Ints | None = None) -> Plan:
    """The plan over documents of these lengths (tokens), each as often as `copies` says, once unless told.

    Documents are shuffled before packing and sequences after it, by (seed, epoch). First copies are packed among themselves, so
    are second ones, and so on: by best fit no sequence holds a document twice.
    """
    # Raw PCG64 output never changes between numpy's versions; what is drawn from it by name may.
    random = np.random.PCG64([config.seed, epoch])
    copies = np.ones(len(lengths), np.int64) if copies is None else copies
    pack = best_fit if config.packing == "best_fit" else concatenate
    rounds, rows, entries, used, cut, cut_concatenated = [], [], 0, 0, 0, 0
    for number in range(int(copies.max())):
        taken = np.flatnonzero(copies > number)
        rows.append(taken[np.argsort(random.random_raw(len(taken)), kind="stable")])
        document, start, length, sequence = pack(lengths[rows[-1]], config.sequence_tokens)
        rounds.append(Pieces(entries + document, start, length, used + sequence))
        cut += int(np.count_nonzero(np.bincount(document) > 1))
        cut_concatenated += _cut_by_concatenation(lengths[rows[-1]], config.sequence_tokens)
        entries, used = entries + len(taken), used + int(sequence.max()) + 1
    entry, start, length, sequence = (np.concatenate(columns) for columns in zip(*rounds, strict=True))
    sequence = np.argsort(random.random_raw(used), kind="stable")[sequence]
    order = np.lexsort((start, entry, sequence))
    pieces = Pieces(np.concatenate(rows)[entry[order]], start[order], length[order], sequence[order])
    before = np.cumsum(pieces.length) - pieces.length
    first = np.searchsorted(pieces.sequence, np.arange(used))
    return Plan(pieces, before - before[first][pieces.sequence], cut, cut_concatenated)


def _cut_by_concatenation(lengths: Ints, capacity: int) -> int:
    ends = np.cumsum(lengths)
    return int(np.count_nonzero((ends - 1) // capacity > (ends - lengths) // capacity))


def _mixture(parts: list[Component]) -> pa.Table:
    columns = zip(*((part.name, part.documents, part.tokens, part.share, part.target, part.capped) for part in parts), strict=True)
    return pa.table([pa.array(list(column)) for column in columns], names=schema.MIXTURE.names).cast(schema.MIXTURE)


def _write(version: Version, ids: Ids, component: Ints, names: list[str], made: Plan) -> None:
    """Files of about `PART_ROWS` rows; none ends within a sequence."""
    pieces, position = made.pieces, made.position
    starts = np.unique(np.searchsorted(pieces.sequence, pieces.sequence[::PART_ROWS])).tolist()
    labels = pa.array(names, pa.string())
    for part, (low, high) in enumerate(zip(starts, [*starts[1:], len(position)], strict=True)):
        with version.parquet(f"sequences/part-{part:05}.parquet", schema.ORDER) as writer:
            for first in range(low, high, ROW_GROUP_ROWS):
                rows = slice(first, min(first + ROW_GROUP_ROWS, high))
                own = pieces.document[rows]
                table = _table(ids[own], Pieces(*(column[rows] for column in pieces)), position[rows])
                writer.write(table.append_column(schema.ORDER.field("component"), labels.take(pa.array(component[own]))))


def _table(ids: npt.NDArray[np.void], pieces: Pieces, position: Ints) -> pa.Table:
    storage = pa.Array.from_buffers(pa.binary(16), len(ids), [None, pa.py_buffer(ids)])
    return pa.table(
        [
            pa.array(pieces.sequence),
            pa.array(position.astype(np.int32)),
            pa.ExtensionArray.from_storage(schema.DOC_ID, storage),
            pa.array(pieces.start),
            pa.array(pieces.length.astype(np.int32)),
            pa.array(pieces.document),
        ],
        schema=pa.schema(list(schema.ORDER)[:-1]),
    )
