"""Every stored query asks one question, and has an answer on an empty root and on a full one."""

from __future__ import annotations

import pyarrow as pa
import pytest

from dashboards import query
from pipeline.store import Store

NAMES = list(query.names())


def rows(store: Store, name: str, *columns: str) -> list[tuple[object, ...]]:
    """The answer's named columns, row by row."""
    return [tuple(row.values()) for row in query.run(store, name).select(columns).to_pylist()]


def test_there_are_queries_for_every_part_of_the_line() -> None:
    parts = {"funnel", "drops_by_rule", "by_language", "by_host", "by_source", "duplicates", "similarity", "crawl_outcomes", "tokens"}
    assert set(NAMES) >= parts | {"loss_by_step", "loss_by_source", "surprising", "spike", "bits_per_byte", "overlap", "errors", "lengths"}


@pytest.mark.parametrize("name", NAMES)
def test_a_query_says_in_its_first_line_what_it_asks(name: str) -> None:
    question, _, rest = query.stored(name).partition("\n")
    assert question.startswith("-- ")
    assert "?" in question
    assert "--" not in rest


@pytest.mark.parametrize("name", NAMES)
def test_a_query_answers_on_an_empty_root_as_on_a_full_one(name: str, store: Store, nothing: Store) -> None:
    full, empty = query.run(store, name), query.run(nothing, name)
    assert full.num_rows > 0
    assert empty.num_rows == 0
    assert empty.column_names == full.column_names


@pytest.mark.parametrize("name", NAMES)
def test_a_query_answers_in_the_same_order_each_time(name: str, store: Store) -> None:
    assert query.run(store, name).equals(query.run(store, name))


def test_the_funnel_goes_from_all_records_down_to_the_kept_in_recipe_order(store: Store) -> None:
    assert rows(store, "funnel", "stage", "dropped", "left") == [
        ("records", 0, 40),
        ("ingest", 4, 36),
        ("language", 4, 32),
        ("quality", 8, 24),
        ("near", 4, 20),
        ("kept", 0, 20),
    ]


def test_drops_are_counted_as_first_as_any_and_as_alone(store: Store) -> None:
    found = {rule: counts for rule, *counts in rows(store, "drops_by_rule", "rule", "first", "any", "alone")}
    assert found["quality.words.min"] == [4, 4, 0]  # always together with the next one
    assert found["quality.symbols.max"] == [4, 8, 4]
    assert found["near.duplicate"] == [4, 4, 4]


def test_overlap_tells_how_much_of_a_rule_another_one_would_do(store: Store) -> None:
    assert rows(store, "overlap", "rule", "other", "both", "share") == [
        ("quality.words.min", "quality.symbols.max", 4, 1.0),
        ("quality.symbols.max", "quality.words.min", 4, 0.5),
    ]


def test_languages_and_hosts_count_every_record_once(store: Store) -> None:
    for name in ("by_language", "by_host", "by_source"):
        assert sum(int(str(records)) for (records,) in rows(store, name, "records")) == 40
    assert rows(store, "by_language", "language", "records", "kept")[-1] == ("(unknown)", 4, 0)
    assert rows(store, "by_source", "unreadable", "kept") == [(4, 20)]


def test_duplicates_name_the_kept_twin_and_its_copies(store: Store) -> None:
    asked = ("copies", "kept", "begins", "examples", "least_similar", "most_similar")
    ((copies, kept, begins, examples, least, most),) = rows(store, "duplicates", *asked)
    assert (copies, begins, least, most) == (4, "plain words plain words", 0.8, 0.86)
    assert str(kept).startswith("http://site.example/1?")
    assert isinstance(examples, list)
    assert len(examples) == 3


def test_similarities_on_the_edge_of_a_bin_open_it(store: Store) -> None:
    assert rows(store, "similarity", "kind", "similarity", "documents") == [("near", 0.8, 3), ("near", 0.85, 1)]


def test_tokens_and_their_bytes_add_up_by_split(store: Store) -> None:
    assert rows(store, "tokens", "split", "documents", "tokens", "bytes") == [("train", 17, 371, 3914), ("validation", 3, 69, 441)]


def test_loss_by_step_adds_up_tokens_and_smooths(store: Store) -> None:
    step, loss, smooth, tokens = rows(store, "loss_by_step", "step", "loss", "smooth", "tokens_so_far")[1]
    assert (step, loss, smooth, tokens) == (1, 6.4, 7.2, 200)


def test_loss_by_source_covers_every_tenth_of_the_training(store: Store) -> None:
    found = rows(store, "loss_by_source", "tenth", "source", "tokens")
    assert [tenth for tenth, _, _ in found] == list(range(1, 11))
    assert sum(int(str(tokens)) for _, _, tokens in found) == 3400


def test_surprise_is_loss_above_that_of_the_source_at_the_time(store: Store) -> None:
    found = rows(store, "surprising", "source", "readings", "tokens", "above")
    assert {(source, readings, tokens) for source, readings, tokens, _ in found} == {("web", 2, 200)}
    aboves = [float(str(above)) for *_, above in found]
    assert aboves == sorted(aboves, reverse=True)
    assert min(aboves) > 0


def test_a_spike_is_a_step_above_those_before_and_names_the_documents_above_them(store: Store) -> None:
    found = rows(store, "spike", "step", "step_loss", "usual", "loss")
    assert {step for step, *_ in found} == {30}
    assert all(float(str(usual)) < min(float(str(step_loss)), float(str(loss))) for _, step_loss, usual, loss in found)


def test_what_moved_no_weights_is_told_with_what_it_read(store: Store) -> None:
    assert rows(store, "skipped_steps", "step", "outcome", "documents") == [(3, "spike", 1)]


def test_a_document_read_in_both_epochs_is_read_twice(store: Store) -> None:
    assert {steps for (steps,) in rows(store, "most_read", "steps")} == {2}


def test_bits_per_byte_stand_beside_the_baselines_with_all_of_it_first(store: Store) -> None:
    found = rows(store, "bits_per_byte", "split", "name", "bits_per_byte")
    assert found[:3] == [("all", "model", 1.8), ("all", "gzip", 3.1), ("all", "unigram", 4.5)]


def test_lines_that_were_cut_are_counted_with_an_example(store: Store, hostile: str) -> None:
    assert rows(store, "cuts_by_host", "host", "rule", "cuts", "documents", "pages", "bytes", "example")[:2] == [
        ("site.example", "host_lines.repeated", 3, 2, 2, 18, "words"),
        ("site.example", "lines.repeated", 1, 1, 3, len(hostile.encode()), hostile),
    ]


def test_urls_that_came_in_twice_are_found(store: Store) -> None:
    assert {records for (records,) in rows(store, "recrawled", "records")} == {2}
    assert query.run(store, "recrawled").num_rows == 10


def test_a_crawls_refusals_stand_beside_what_it_fetched(store: Store) -> None:
    found = dict(rows(store, "crawl_outcomes", "outcome", "urls"))
    assert (found["fetched"], found["robots"], found["trap"]) == (6, 1, 1)
    assert pa.types.is_int64(query.run(store, "crawl_outcomes").schema.field("bytes").type)


def test_a_plan_is_set_beside_what_it_takes_and_what_runs_have_read(store: Store) -> None:
    columns = ("component", "documents", "share_asked", "share_taken", "epochs", "capped")
    assert rows(store, "mixture", *columns) == [("web", 17, 1.0, 1.0, 1.0, False)] * 2
    assert [taken == read == 371 for taken, read in rows(store, "mixture", "taken", "read")] == [True, True]


def test_padding_and_cuts_stand_beside_concatenation(store: Store) -> None:
    found = rows(store, "packing", "packing", "padding_share", "cut_share", "cut_share_concatenated")
    assert found == [("best_fit", round(1 - 371 / (17 * 64), 6), 0.0, round(10 / 17, 4))] * 2


def test_a_step_leads_to_its_pages_and_a_host_to_its_steps(store: Store) -> None:
    ((step, url, source, language),) = rows(store, "step", "step", "url", "source", "language")
    assert (step, source, language) == (30, "web", "en")
    hosts = rows(store, "host_steps", "host", "documents", "steps", "first_step", "last_step", "tokens")
    assert hosts == [("site.example", 17, 34, 0, 33, 742)]
    traced = query.run(store, f"select distinct step from trace where url = '{str(url).replace(chr(39), chr(39) * 2)}' order by step")
    assert 30 in traced["step"].to_pylist()
