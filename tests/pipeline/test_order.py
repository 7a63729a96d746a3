from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline import order, packing, schema
from pipeline.order import OrderConfig, plan
from pipeline.store import Store

LENGTHS = np.random.default_rng(0).lognormal(5, 1.2, 3000).astype(np.int64) + 1
GOLDEN = [
    [0, 0, 2, 4, 4],
    [1, 0, 2, 0, 4],
    [2, 0, 0, 4, 1],
    [2, 1, 1, 0, 3],
    [3, 0, 0, 0, 4],
    [4, 0, 4, 0, 2],
    [4, 2, 3, 0, 1],
    [4, 3, 2, 8, 1],
]
PACKINGS = ("best_fit", "concatenate")


def token_set(store: Store, lengths=LENGTHS, parts: int = 3) -> str:
    """A token set whose train documents have these lengths."""
    shape = schema.tokens(pa.uint16())

    def write(version):
        for part, rows in enumerate(np.array_split(np.arange(len(lengths)), parts)):
            tokens = pa.array([np.zeros(lengths[row], np.uint16) for row in rows], shape.field("tokens").type)
            ids = schema.doc_ids([schema.doc_id("s", bytes([part]) + int(row).to_bytes(4, "big")) for row in rows])
            columns = [ids, ["s"] * len(rows), pa.array([1] * len(rows), pa.int64()), tokens]
            version.table(f"train/part-{part:05}.parquet", pa.table(columns, schema=shape))
        return {}

    return store.build("tokens/small", {"lengths": lengths.tolist()}, write).path


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


def rows(store, built) -> pa.Table:
    return pa.concat_tables(store.table(f"{built.path}/{path}") for path in built.manifest.paths("sequences"))


@settings(max_examples=200)
@given(
    lengths=st.lists(st.integers(1, 90), min_size=1, max_size=60),
    config=st.builds(OrderConfig, sequence_tokens=st.integers(2, 40), seed=st.integers(0, 2**64 - 1), packing=st.sampled_from(PACKINGS)),
    epoch=st.integers(0, 5),
)
def test_every_token_stands_exactly_once(lengths, config, epoch):
    pieces, position, *_ = plan(np.array(lengths), config, epoch)
    seen = [np.zeros(length, int) for length in lengths]
    filled: dict[int, int] = {}
    for document, start, length, sequence, at in zip(*pieces, position, strict=True):
        assert length > 0
        assert at == filled.get(sequence, 0)
        filled[sequence] = at + length
        seen[document][start : start + length] += 1
        assert start + length <= lengths[document]
    assert all((count == 1).all() for count in seen)
    assert max(filled.values()) <= config.sequence_tokens
    assert list(filled) == list(range(len(filled)))


@given(lengths=st.lists(st.integers(1, 90), min_size=1, max_size=60), capacity=st.integers(2, 40), seed=st.integers(0, 9))
def test_best_fit_cuts_only_what_is_longer_than_a_sequence(lengths, capacity, seed):
    pieces = plan(np.array(lengths), OrderConfig(sequence_tokens=capacity, seed=seed), 0).pieces
    assert (pieces.start % capacity == 0).all()
    assert len(pieces.document) == sum(-(-length // capacity) for length in lengths)


@given(lengths=st.lists(st.integers(1, 90), min_size=1, max_size=60), capacity=st.integers(2, 40), seed=st.integers(0, 9))
def test_concatenation_pads_less_than_one_sequence(lengths, capacity, seed):
    pieces = plan(np.array(lengths), OrderConfig(sequence_tokens=capacity, seed=seed, packing="concatenate"), 0).pieces
    assert pieces.sequence[-1] + 1 == -(-sum(lengths) // capacity)


@given(lengths=st.lists(st.integers(1, 33), min_size=1, max_size=80), slack=st.integers(0, 20))
def test_fit_takes_the_fullest_bin_with_room(lengths, slack):
    lengths = np.array(sorted(lengths, reverse=True))
    capacity = int(lengths[0]) + slack
    bins, opened = packing.fit(lengths, capacity)
    room: list[int] = []
    for length, chosen in zip(lengths, bins, strict=True):
        able = [own for own in room if own >= length]
        if able:
            assert room[chosen] == min(able)
        else:
            assert chosen == len(room)
            room.append(capacity)
        room[chosen] -= length
    assert opened == len(room)


def test_documents_are_packed_within_their_window(monkeypatch):
    monkeypatch.setattr(packing, "WINDOW_DOCUMENTS", 10)
    lengths = np.random.default_rng(1).integers(1, 40, 95)
    pieces = packing.best_fit(lengths, 40)
    window_of = {}
    for document, sequence in zip(pieces.document, pieces.sequence, strict=True):
        assert window_of.setdefault(int(sequence), document // 10) == document // 10
    assert sorted(window_of) == list(range(len(window_of)))


@pytest.mark.parametrize("packing", PACKINGS)
def test_each_epoch_and_each_seed_has_an_order_of_its_own(packing):
    plans = [
        plan(LENGTHS, OrderConfig(sequence_tokens=256, seed=seed, packing=packing), epoch).pieces.document.tolist()
        for seed, epoch in ((0, 0), (0, 1), (1, 0), (1, 1))
    ]
    assert len({tuple(found) for found in plans}) == 4
    assert plan(LENGTHS, OrderConfig(sequence_tokens=256, packing=packing), 0).pieces.document.tolist() == plans[0]


def test_the_order_is_the_one_it_has_always_been():
    pieces, position, *_ = plan(np.array([5, 3, 9, 1, 2]), OrderConfig(sequence_tokens=4, seed=7), 2)
    assert np.column_stack([pieces.sequence, position, pieces.document, pieces.start, pieces.length]).tolist() == GOLDEN


def test_sequences_and_documents_are_spread_evenly():
    lengths = np.full(4000, 100)
    pieces = plan(lengths, OrderConfig(sequence_tokens=100), 0).pieces
    assert abs(np.corrcoef(pieces.sequence, pieces.document)[0, 1]) < 0.05


def test_best_fit_pads_little_and_cuts_fewer_documents():
    lengths = np.random.default_rng(2).lognormal(6, 1.2, 30_000).astype(np.int64) + 1
    best = plan(lengths, OrderConfig(sequence_tokens=2048), 0)
    stream = plan(lengths, OrderConfig(sequence_tokens=2048, packing="concatenate"), 0)
    sequences = best.pieces.sequence[-1] + 1
    assert 1 - lengths.sum() / (sequences * 2048) < 0.01
    cut = [np.count_nonzero(np.bincount(made.pieces.document) > 1) for made in (best, stream)]
    assert (best.cut, best.cut_concatenated, stream.cut) == (cut[0], cut[1], cut[1])
    assert cut[0] == np.count_nonzero(lengths > 2048)
    assert cut[0] < cut[1] / 2


@pytest.mark.parametrize("packing", PACKINGS)
def test_the_plan_on_disk_covers_the_token_set(store, packing):
    tokens = token_set(store)
    built = order.build(store, tokens, OrderConfig(sequence_tokens=256, packing=packing), epoch=0)
    assert built.path == f"order/{built.manifest.fingerprint}"
    table = rows(store, built)
    assert table.schema.equals(schema.ORDER)
    sequence, position, start, length = (table[name].to_numpy() for name in ("sequence", "position", "start", "length"))
    assert (np.diff(sequence) >= 0).all()
    assert (np.diff(position)[np.diff(sequence) == 0] > 0).all()
    covered: dict[object, int] = {}
    for doc_id, first, own in sorted(zip(table["doc_id"].to_pylist(), start, length, strict=True)):
        assert covered.get(doc_id, 0) == first
        covered[doc_id] = first + own
    manifest = store.manifest(tokens)
    expected = {}
    for path in manifest.paths("train"):
        part = store.table(f"{tokens}/{path}")
        expected |= dict(zip(part["doc_id"].to_pylist(), map(len, part["tokens"].to_pylist()), strict=True))
    assert covered == expected
    sequences = int(sequence[-1]) + 1
    assert built.manifest.counts == {
        "sequences": sequences,
        "documents": len(LENGTHS),
        "placed": len(LENGTHS),
        "tokens": int(LENGTHS.sum()),
        "padding_tokens": sequences * 256 - int(LENGTHS.sum()),
        "documents_cut": len({doc_id for doc_id, first in zip(table["doc_id"].to_pylist(), start, strict=True) if first > 0}),
        "documents_cut_concatenated": built.manifest.counts["documents_cut_concatenated"],
    }


def test_the_same_files_again_and_no_file_ends_within_a_sequence(store, tmp_path, monkeypatch):
    config = OrderConfig(sequence_tokens=128, seed=3)
    first = order.build(store, token_set(store), config, epoch=1)
    assert not order.build(store, token_set(store), config, epoch=1).made
    other = Store(tmp_path)
    again = order.build(other, token_set(other), config, epoch=1)
    assert (again.path, again.manifest.files) == (first.path, first.manifest.files)
    monkeypatch.setattr(order, "PART_ROWS", 500)
    monkeypatch.setattr(order, "ROW_GROUP_ROWS", 90)
    small = Store(tmp_path / "small")
    parted = order.build(small, token_set(small), config, epoch=1)
    assert len(parted.manifest.files) > 5
    assert rows(small, parted).equals(rows(store, first))
    sequences = [set(small.table(f"{parted.path}/{path}")["sequence"].to_pylist()) for path in parted.manifest.paths("sequences")]
    assert sum(map(len, sequences)) == parted.manifest.counts["sequences"]


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"sequence_tokens": "64"}, "sequence_tokens"),
        ({"sequence_tokens": 1}, "sequence_tokens"),
        ({"sequence_tokens": 64, "packing": "first_fit"}, "packing"),
        ({"sequence_tokens": 64, "seed": "1"}, "seed"),
        ({"sequence_tokens": 64, "shuffle": False}, "shuffle"),
    ],
)
def test_bad_settings_are_refused_by_name(settings, key):
    with pytest.raises(ValidationError, match=key):
        OrderConfig(**settings)


def test_no_token_set_and_a_negative_epoch_are_errors(store):
    config = OrderConfig(sequence_tokens=64)
    with pytest.raises(ValueError, match="tokens/none: a finished token set was expected"):
        order.build(store, "tokens/none", config, epoch=0)
    with pytest.raises(ValueError, match="an epoch of 0 or more was expected, not -1"):
        order.build(store, token_set(store), config, epoch=-1)
