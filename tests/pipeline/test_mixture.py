"""What a pass takes of each component: shares, repeats and caps, and how often each document then stands in the order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline import order, recipe, schema
from pipeline.mixture import MixtureConfig, components, copies, effective_tokens
from pipeline.order import OrderConfig
from pipeline.store import Built, Store, Version
from pipeline.typed import RecipeError

NAMES = ["books", "code", "web"]
LENGTHS = {"books": 40, "code": 400, "web": 3000}  # documents of each source
CONFIG = OrderConfig(sequence_tokens=256)


def taken(sizes: list[int], **changed: object) -> dict[str, tuple[float, int, bool]]:
    parts = components(NAMES, [1, 1, 1], sizes, MixtureConfig.model_validate(changed))
    return {part.name: (round(part.share, 4), part.target, part.capped) for part in parts}


def test_without_settings_everything_is_taken_once() -> None:
    assert taken([10, 100, 890]) == {"books": (0.01, 10, False), "code": (0.1, 100, False), "web": (0.89, 890, False)}


def test_weights_and_the_scarcest_component_say_how_much_is_taken() -> None:
    found = taken([100, 1000, 9000], weights={"books": 1, "code": 2, "web": 7})
    assert found == {"books": (0.1, 100, False), "code": (0.2, 200, False), "web": (0.7, 700, False)}


def test_a_component_too_small_for_its_weight_is_repeated_up_to_its_cap_and_the_others_fill_in() -> None:
    weights = {"books": 5, "code": 2, "web": 3}
    assert taken([100, 1000, 9000], weights=weights, tokens=700)["books"] == (0.5, 350, False)
    assert taken([100, 1000, 9000], weights=weights, tokens=1000) == {
        "books": (0.5, 400, True),
        "code": (0.2, 240, False),
        "web": (0.3, 360, False),
    }
    assert taken([100, 1000, 9000], weights=weights, tokens=1000, caps={"books": 5})["books"] == (0.5, 500, False)
    assert [target for _, target, _ in taken([10, 10, 10], weights=weights, tokens=1000, max_epochs=2).values()] == [20, 20, 20]


def test_temperature_flattens_the_sizes() -> None:
    sizes = np.array([100, 1000, 9000])
    for temperature in (1.0, 3.0):
        expected = sizes ** (1 / temperature) / (sizes ** (1 / temperature)).sum()
        found = taken(sizes.tolist(), temperature=temperature, tokens=500, max_epochs=100)
        assert [share for share, _, _ in found.values()] == pytest.approx(expected, abs=1e-4)
    assert [target for _, target, _ in taken(sizes.tolist(), temperature=1.0).values()] == sizes.tolist()


def test_epochs_are_taken_as_they_are() -> None:
    found = taken([100, 1000, 9000], epochs={"books": 2.5, "web": 0.1})
    assert [target for _, target, _ in found.values()] == [250, 1000, 900]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"weights": {"books": 1}}, "mixture.weights: expected one for each component, 0 to leave it out; none for code, web"),
        ({"weights": {"books": 1, "code": 1, "web": 1, "wiki": 1}}, "mixture.weights: wiki: expected components among books, code, web"),
        ({"caps": {"wiki": 1.0}}, "mixture.caps: wiki"),
    ],
)
def test_a_mixture_of_other_components_is_an_error(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        taken([1, 1, 1], **settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"weights": {"a": 1.0}, "temperature": 2.0}, "one of weights, temperature and epochs"),
        ({"tokens": 100}, "expected weights or a temperature beside tokens"),
        ({"weights": {"a": 0.0}}, "a weight above 0"),
        ({"epochs": {"a": 6.0}}, r"epochs\.a of at most 4"),
        ({"edges": {"score": [0.5]}}, r"edges\.score in ascending order, of a column that `by` names"),
        ({"by": ["score"], "edges": {"score": [0.5, 0.2]}}, "ascending"),
        ({"weights": {"a": -1.0}}, "greater than or equal to 0"),
        ({"by": []}, "at least 1"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        MixtureConfig.model_validate(settings)


def test_a_recipe_that_mixes_by_what_it_does_not_measure_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('[mixture]\nby = ["source", "language_code"]\n')
    with pytest.raises(RecipeError, match=r"mixture\.by: 'language_code' is no signal of the recipe; expected among source"):
        recipe.load(path)
    path.write_text('[[step]]\nuse = "language"\n[mixture]\nby = ["source", "language_code"]\nweights = { "web/en" = 1 }\n')
    assert recipe.load(path).mixture.weights == {"web/en": 1.0}


def test_repeats_are_worth_less_and_less() -> None:
    """Muennighoff et al. 2023: four epochs are worth nearly as much as new tokens, forty are not."""
    assert effective_tokens(1000, 300) == 300
    assert effective_tokens(1000, 1000) == 1000
    assert 3600 < effective_tokens(1000, 4000) < 3800
    assert effective_tokens(1000, 40_000) < 16_000


@settings(max_examples=40)
@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=60),
    target=st.integers(1, 4000),
    seed=st.integers(0, 2**64 - 1),
    epoch=st.integers(0, 4),
)
def test_a_pass_takes_its_target_to_within_one_document_and_none_twice_before_all(
    lengths: list[int], target: int, seed: int, epoch: int
) -> None:
    sizes, ids = np.array(lengths), documents(len(lengths))
    total = int(sizes.sum())
    (part,) = components(["all"], [len(lengths)], [total], MixtureConfig())
    part = part._replace(target=target)
    passes = [copies(ids, sizes, np.zeros(len(sizes), np.int64), [part], seed, number) for number in range(epoch + 1)]
    for found in passes:
        assert abs(int(found @ sizes) - target) < max(lengths)
        assert found.max() - found.min() <= 1
    so_far = np.sum(passes, axis=0)
    assert so_far.max() - so_far.min() <= 1
    assert abs(int(so_far @ sizes) - target * (epoch + 1)) < max(lengths)


def documents(count: int) -> np.ndarray:
    return np.frombuffer(b"".join(schema.doc_id("s", b"%d" % number) for number in range(count)), "V16")


def test_which_documents_are_drawn_depends_on_the_seed_and_on_no_order_of_rows() -> None:
    sizes, ids = np.full(1000, 10), documents(1000)
    part = components(["all"], [1000], [10_000], MixtureConfig())[0]._replace(target=3000)
    drawn = [copies(ids, sizes, np.zeros(1000, np.int64), [part], seed, 0) for seed in (0, 0, 1)]
    assert drawn[0].tolist() == drawn[1].tolist() != drawn[2].tolist()
    shuffled = np.random.default_rng(1).permutation(1000)
    assert copies(ids[shuffled], sizes, np.zeros(1000, np.int64), [part], 0, 0).tolist() == drawn[0][shuffled].tolist()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A token set of three sources, and the signals of its corpus: a language, and a score that some lack."""
    store = Store(tmp_path_factory.mktemp("store"))
    rng = np.random.default_rng(2)
    rows = [(source, schema.doc_id(source, b"%d" % i)) for source, count in LENGTHS.items() for i in range(count)]
    rows = [rows[i] for i in rng.permutation(len(rows))]
    ids = schema.doc_ids([key for _, key in rows])
    shape = schema.tokens(pa.uint16())

    def signals(version: Version) -> dict[str, int]:
        score = [None if i % 10 == 0 else i / len(rows) for i in range(len(rows))]
        codes = ["de" if i % 3 == 0 else "en" for i in range(len(rows))]
        columns = {"doc_id": ids, "language_code": pa.array(codes), "score": pa.array(score)}
        version.table("signals/part-00000.parquet", pa.table(columns).take(pa.array(rng.permutation(len(rows)))))
        return {}

    shard = store.build("shards", {"kind": "shard"}, signals).manifest.fingerprint
    corpus = store.build("corpora/small", {"shards": [shard]}, lambda version: {}).manifest.fingerprint

    def tokens(version: Version) -> dict[str, int]:
        lengths = rng.lognormal(4.5, 0.8, len(rows)).astype(np.int64) + 1
        values = pa.array([np.zeros(length, np.uint16) for length in lengths], shape.field("tokens").type)
        table = pa.table([ids, pa.array([source for source, _ in rows]), pa.array(lengths * 4), values], schema=shape)
        version.table("train/part-00000.parquet", table)
        return {}

    store.build("tokens/small", {"corpus": corpus}, tokens)
    return store


def built(store: Store, epoch: int = 0, **mixture: object) -> tuple[Built, pa.Table, pa.Table]:
    """A packing plan, its rows and its mixture."""
    tokens = f"tokens/small/{store.folders('tokens/small')[0]}"
    made = order.build(store, tokens, CONFIG, epoch, MixtureConfig.model_validate(mixture))
    rows = pa.concat_tables([store.table(f"{made.path}/{path}") for path in made.manifest.paths("sequences")])
    return made, rows, store.table(f"{made.path}/mixture.parquet")


def realised(rows: pa.Table) -> dict[str, float]:
    sums = rows.group_by("component").aggregate([("length", "sum")]).to_pylist()
    total = sum(row["length_sum"] for row in sums)
    return {row["component"]: row["length_sum"] / total for row in sums}


@pytest.mark.parametrize(
    ("mixture", "expected"),
    [
        ({"weights": {"books": 0.05, "code": 0.35, "web": 0.6}, "tokens": 150_000}, {"books": 0.05, "code": 0.35, "web": 0.6}),
        ({"weights": {"books": 0, "code": 1, "web": 1}}, {"code": 0.5, "web": 0.5}),
    ],
)
def test_realised_shares_are_those_of_the_recipe(store: Store, mixture: dict[str, object], expected: dict[str, float]) -> None:
    for epoch in (0, 1):
        made, rows, planned = built(store, epoch, **mixture)
        found = realised(rows)
        assert set(found) == set(expected)
        assert all(abs(found[name] - share) < 0.005 for name, share in expected.items()), found
        assert not any(planned["capped"].to_pylist())
        assert abs(made.manifest.counts["tokens"] - sum(planned["target"].to_pylist())) < 0.005 * made.manifest.counts["tokens"]


def test_a_source_too_small_for_its_weight_is_repeated_up_to_its_cap_and_says_so(store: Store) -> None:
    made, rows, planned = built(store, weights={"books": 0.5, "code": 0.2, "web": 0.3}, tokens=100_000)
    assert {row["component"]: row["capped"] for row in planned.to_pylist()} == {"books": True, "code": False, "web": False}
    books = next(row for row in planned.to_pylist() if row["component"] == "books")
    assert books["target"] == 4 * books["tokens"] < 0.5 * 100_000
    assert set(times(rows, "books").values()) == {4}
    assert abs(made.manifest.counts["tokens"] - 100_000) < 500


def times(rows: pa.Table, component: str | None = None) -> dict[bytes, float]:
    """How often each document's tokens stand in a plan; an error where some of them stand more often than others."""
    ranges: dict[bytes, dict[tuple[int, int], int]] = {}
    sequences: dict[bytes, list[int]] = {}
    for row in rows.to_pylist():
        if component in (None, row["component"]):
            own = ranges.setdefault(row["doc_id"].bytes, {})
            own[row["start"], row["length"]] = own.get((row["start"], row["length"]), 0) + 1
            sequences.setdefault(row["doc_id"].bytes, []).append(row["sequence"])
    for key, own in ranges.items():
        assert len(set(own.values())) == 1
        ends = [start + length for start, length in sorted(own)]
        assert [start for start, _ in sorted(own)] == [0, *ends[:-1]]
        assert len(set(sequences[key])) == len(sequences[key]), "a document twice in a sequence"
    return {key: next(iter(own.values())) for key, own in ranges.items()}


def test_every_token_of_what_is_taken_stands_as_often_as_its_epochs_say(store: Store) -> None:
    epochs = {"books": 2.5, "web": 0.3}
    so_far: dict[bytes, float] = {}
    for epoch in range(4):
        _, rows, _ = built(store, epoch, epochs=epochs)
        assert set(times(rows, "books").values()) == {2, 3}
        assert set(times(rows, "code").values()) == {1}
        assert set(times(rows, "web").values()) == {1}
        for key, count in times(rows).items():
            so_far[key] = so_far.get(key, 0) + count
    sources = {schema.doc_id(source, b"%d" % i): source for source, count in LENGTHS.items() for i in range(count)}
    assert {so_far[key] for key, source in sources.items() if source == "books"} == {10}
    assert {so_far[key] for key, source in sources.items() if source == "web"} == {1, 2}  # all once before any a second time
    assert len(so_far) == len(sources)


def test_components_go_by_signals_and_by_buckets_of_numbers(store: Store) -> None:
    _, rows, planned = built(store, by=["language_code", "score"], edges={"score": [0.5, 0.9]})
    names = planned["component"].to_pylist()
    assert names == sorted(f"{code}/{bucket}" for code in ("de", "en") for bucket in ("(none)", "<0.5", "0.5..0.9", ">=0.9"))
    assert sum(planned["documents"].to_pylist()) == sum(LENGTHS.values())
    assert set(rows["component"].unique().to_pylist()) == set(names)
    with pytest.raises(ValueError, match=r"mixture.edges.score: missing"):
        built(store, by=["score"])
    with pytest.raises(ValueError, match=r"mixture.by: quality: expected `source` or a signal"):
        built(store, by=["quality"])


def test_the_bucket_of_a_document_is_the_one_of_its_value(store: Store) -> None:
    _, rows, _ = built(store, by=["score"], edges={"score": [0.5]})
    found = {row["doc_id"]: row["component"] for row in rows.to_pylist()}
    shard = store.table(f"shards/{store.folders('shards')[0]}/signals/part-00000.parquet")
    for row in shard.to_pylist():
        expected = "(none)" if row["score"] is None else ">=0.5" if row["score"] >= 0.5 else "<0.5"
        assert found[row["doc_id"]] == expected
