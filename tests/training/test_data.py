from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from training_world import SEQUENCE_TOKENS, SHORT, World

from pipeline.store import Store
from training import data, mapped
from training.model import IGNORED
from training.schedule import schedule, sequences_of


@pytest.fixture
def tokens(world: World, tmp_path: Path) -> mapped.Tokens:
    return mapped.open_tokens(world.store, world.tokens, "train", tmp_path)


@pytest.fixture
def order(world: World, tokens: mapped.Tokens, tmp_path: Path) -> mapped.Pieces:
    return mapped.open_order(world.store, world.orders[0], tokens, SEQUENCE_TOKENS, tmp_path)


def test_the_memory_map_is_what_the_shards_hold(world: World, tokens: mapped.Tokens) -> None:
    manifest = world.store.manifest(world.tokens)
    assert manifest is not None
    rows = [row for path in manifest.paths("train") for row in world.store.table(f"{world.tokens}/{path}").to_pylist()]
    assert [row["doc_id"].bytes for row in rows] == [bytes(doc_id) for doc_id in tokens.ids]
    for i, row in enumerate(rows):
        assert tokens.values[tokens.bounds[i] : tokens.bounds[i + 1]].tolist() == row["tokens"]
    assert {row["tokens"][0] for row in rows} == {tokens.beginning}


def test_every_token_is_a_target_once_and_every_document_ends_once(tokens: mapped.Tokens, order: mapped.Pieces) -> None:
    targets: dict[int, list[int]] = {}
    for first in range(0, order.sequences, 5):
        found = data.batch(tokens, order, first, 5, SEQUENCE_TOKENS, endings=True)
        assert (found.targets[found.documents < 0] == IGNORED).all()
        for number, document in enumerate(found.present):
            targets.setdefault(int(document), []).extend(found.targets[found.documents == number].tolist())
    for document in range(len(tokens.ids)):
        own = tokens.values[tokens.bounds[document] : tokens.bounds[document + 1]].tolist()
        assert sorted(targets[document]) == sorted([*own[1:], tokens.beginning])


def test_a_target_is_the_next_token_also_past_the_ranges_end(tokens: mapped.Tokens, order: mapped.Pieces) -> None:
    cut = next(i for i in range(len(order.start)) if order.start[i] > 0)
    document, start = order.document[cut], order.start[cut]
    before = next(i for i in range(len(order.start)) if order.document[i] == document and order.start[i] + order.length[i] == start)
    row = int(np.searchsorted(order.first, before, "right")) - 1
    found = data.batch(tokens, order, row, 1, SEQUENCE_TOKENS, endings=True)
    assert found.targets[0, order.position[before] + order.length[before] - 1] == tokens.values[tokens.bounds[document] + start]


def test_without_endings_the_last_token_of_a_document_has_no_target(tokens: mapped.Tokens, order: mapped.Pieces) -> None:
    found = data.batch(tokens, order, 0, order.sequences, SEQUENCE_TOKENS, endings=False)
    real = found.documents >= 0
    assert np.count_nonzero(found.targets[real] == IGNORED) == len(tokens.ids)
    assert (found.targets[real] != tokens.beginning).all()


def test_beyond_the_last_sequence_is_padding(tokens: mapped.Tokens, order: mapped.Pieces) -> None:
    found = data.batch(tokens, order, order.sequences - 1, 3, SEQUENCE_TOKENS, endings=True)
    assert (found.targets[1:] == IGNORED).all()
    assert (found.documents[1:] == -1).all()
    assert (found.documents[0] >= 0).any()


def test_nats_are_summed_by_document() -> None:
    documents = np.array([[0, 0, 1, -1], [1, 1, 2, 2]])
    targets = np.array([[5, IGNORED, 5, IGNORED], [5, 5, IGNORED, IGNORED]])
    nats = np.array([[1.0, 0.0, 2.0, 0.0], [4.0, 8.0, 0.0, 0.0]], np.float32)
    total, count = data.by_document(nats, data.Batch(targets, targets, documents, np.array([7, 8, 9])))
    assert (total.tolist(), count.tolist()) == ([1.0, 14.0, 0.0], [1, 3, 0])


def test_the_cache_is_made_again_where_it_was_deleted(world: World, tokens: mapped.Tokens, tmp_path: Path) -> None:
    before = tokens.values.tolist()
    shutil.rmtree(tmp_path)
    assert mapped.open_tokens(world.store, world.tokens, "train", tmp_path).values.tolist() == before


def test_a_cache_that_lost_a_file_is_made_again(world: World, order: mapped.Pieces, tokens: mapped.Tokens, tmp_path: Path) -> None:
    before = order.position.tolist()
    next(tmp_path.glob("order/*/position.bin")).unlink()
    assert mapped.open_order(world.store, world.orders[0], tokens, SEQUENCE_TOKENS, tmp_path).position.tolist() == before


def test_shards_and_plans_in_an_object_store_give_the_same_batches(
    world: World, order: mapped.Pieces, tokens: mapped.Tokens, bucket: str, tmp_path: Path
) -> None:
    remote = Store(f"{bucket}/root")
    for place in (world.tokens, world.orders[0]):
        for path in Path(world.store.path(place)).rglob("*"):
            if path.is_file():
                remote.write(str(path.relative_to(world.store.base)), path.read_bytes())
    far = mapped.open_tokens(remote, world.tokens, "train", tmp_path / "far")
    far_order = mapped.open_order(remote, world.orders[0], far, SEQUENCE_TOKENS, tmp_path / "far")
    for near_array, far_array in zip(whole(tokens, order), whole(far, far_order), strict=True):
        assert (near_array == far_array).all()


def whole(tokens: mapped.Tokens, order: mapped.Pieces) -> data.Batch:
    return data.batch(tokens, order, 0, order.sequences, SEQUENCE_TOKENS, endings=True)


def test_what_is_mapped_is_opened_without_being_read(
    world: World, order: mapped.Pieces, tokens: mapped.Tokens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "batches", lambda *_: pytest.fail("shards were read again"))
    again = mapped.open_tokens(world.store, world.tokens, "train", tmp_path)
    opened = (*vars(again).values(), *mapped.open_order(world.store, world.orders[0], again, SEQUENCE_TOKENS, tmp_path))
    arrays = [array for array in opened if isinstance(array, np.ndarray)]
    assert len(arrays) == 8
    assert all(isinstance(array.base, np.memmap) for array in arrays)


@pytest.mark.parametrize(("change", "worlds"), [({}, (1, 2, 4)), ({"sequences_per_pass": 2}, (4, 1)), ({"ramp": ((2, 1), (3, 3))}, (2, 4))])
def test_any_number_of_processes_and_passes_reads_the_same_tokens_a_step(
    tokens: mapped.Tokens, order: mapped.Pieces, change: dict[str, object], worlds: tuple[int, ...]
) -> None:
    config = SHORT.model_copy(update={"epochs": 1, "steps": None, **change})
    plan, everything = schedule([order.sequences], config), whole(tokens, order)
    for step in range(plan.steps):
        world = worlds[step % len(worlds)]  # changes within the epoch
        places = [sequences_of(plan, step, rank, world) for rank in range(world)]
        read = [batch.tokens for place in places for batch in data.passes(tokens, order, place.first, place.count, config)]
        at = places[0].first
        assert np.concatenate(read).tolist() == everything.tokens[at : at + sum(place.count for place in places)].tolist()


def test_what_is_made_ahead_comes_in_order_and_an_error_where_it_belongs() -> None:
    made: list[int] = []
    for key, value in data.ahead(lambda key: made.append(key) or 10 * key, range(5)):
        assert value == 10 * key
        assert len(made) <= key + 2
    found = data.ahead(lambda key: 1 // (2 - key), range(5))
    assert [next(found)[1] for _ in range(2)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_a_plan_of_other_documents_or_of_longer_sequences_is_refused(world: World, tokens: mapped.Tokens, tmp_path: Path) -> None:
    other = mapped.open_tokens(world.store, world.tokens, "test", tmp_path)
    with pytest.raises(ValueError, match="a packing plan over the same token set was expected"):
        mapped.open_order(world.store, world.orders[0], other, SEQUENCE_TOKENS, tmp_path)
    with pytest.raises(ValueError, match=f"at most {SEQUENCE_TOKENS - 1} tokens were expected, not {SEQUENCE_TOKENS}"):
        mapped.open_order(world.store, world.orders[0], tokens, SEQUENCE_TOKENS - 1, tmp_path)


def test_a_split_without_documents_is_an_error(world: World, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="documents in the split 'none' were expected"):
        mapped.open_tokens(world.store, world.tokens, "none", tmp_path)
    assert not list(tmp_path.glob("tokens/*/none*"))
