"""What other bounds would keep, for the rules that drop most."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboards.outlook import Outlook, outlooks
from pipeline import catalog
from pipeline.store import Store


@pytest.fixture(scope="module")
def found(root: Path) -> list[Outlook]:
    store = Store(root)
    with catalog.connect(store) as connection:
        return list(outlooks(store, connection, 10))


def test_the_rules_that_drop_most_come_first(found: list[Outlook]) -> None:
    assert {each.rule for each in found} == {"quality.words.min", "quality.symbols.max"}
    assert [each.dropped for each in found] == sorted((each.dropped for each in found), reverse=True)


def test_each_limit_leaves_what_all_other_bounds_and_it_keep(found: list[Outlook], root: Path) -> None:
    asked = "select count(*) from signals where quality_words >= if(language_code = 'de', 40, ?) and quality_symbols <= ?"
    with catalog.connect(Store(root)) as connection:
        for each in found:
            assert each.bound in each.curve["limit"].to_pylist()
            for row in each.curve.to_pylist():
                given = [row["limit"], 0.1] if each.rule.endswith("min") else [50.0, row["limit"]]
                assert connection.sql(asked, params=given).fetchall() == [(row["documents"],)]


def test_a_looser_bound_keeps_no_fewer(found: list[Outlook]) -> None:
    for each in found:
        documents = each.curve["documents"].to_pylist()
        assert documents == sorted(documents, reverse=each.rule.endswith("min"))
    assert any(len(set(each.curve["documents"].to_pylist())) > 1 for each in found)
