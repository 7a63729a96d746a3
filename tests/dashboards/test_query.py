"""A question is a stored query's name or one SELECT; whatever else it is gets one clear line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dashboards import query
from pipeline.store import Store


def test_a_name_and_a_statement_are_both_questions(store: Store) -> None:
    by_name = query.run(store, " funnel\n")
    assert by_name.equals(query.run(store, query.stored("funnel")))
    assert query.run(store, "select rule, count(*) from fates group by all order by 2 desc").num_rows == 6


@pytest.mark.parametrize("question", ["FROM fates", "WITH one AS (SELECT 1) FROM one", "DESCRIBE fates", "SHOW TABLES", "SELECT 1;"])
def test_whatever_only_reads_is_answered(question: str, store: Store) -> None:
    assert query.run(store, question).num_rows > 0


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("funel", "no stored query 'funel'; expected one of bits_per_byte, "),
        ("selec 1 from fates", 'syntax error at or near "selec"'),
        ("select nothing from fates", 'column "nothing" not found'),
        ("select * from no_view_of_that_name", "no_view_of_that_name does not exist"),
        ("select error(chr(27) || '[31m')", "\\x1b[31m"),
        ("select 1; select 2", "expected one SELECT"),
        ("-- nothing", "expected one SELECT"),
        ("create table made as select 1", "expected one SELECT"),
        ("set threads = 1", "expected one SELECT"),
        ("select * from read_text('/etc/passwd')", "Permission Error"),
    ],
)
def test_a_bad_question_is_one_clear_line(question: str, said: str, store: Store) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        query.run(store, question)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("statement", ["COPY (SELECT 1) TO '{}'", "EXPLAIN ANALYZE COPY (SELECT 1) TO '{}'", "EXPORT DATABASE '{}'"])
def test_nothing_is_written_into_the_root(statement: str, store: Store) -> None:
    target = Path(store.path("written"))
    with pytest.raises(ValueError, match="expected one SELECT"):
        query.run(store, statement.format(str(target).replace("'", "''")))
    assert not target.exists()


def test_a_long_answer_is_streamed_and_its_late_error_is_one_line(store: Store) -> None:
    late = "select case when range < 500000 then range else error('late') end from range(500001)"
    with pytest.raises(ValueError, match=r"^Invalid Input Error: late$"), query.stream(store, late) as reader:
        assert all(batch.num_rows < 500_000 for batch in reader)
    with query.stream(store, "select * from range(300000)") as reader:
        assert sum(batch.num_rows for batch in reader) == 300_000


def test_a_closed_pipe_is_not_the_statements_fault(store: Store) -> None:
    with pytest.raises(BrokenPipeError), query.stream(store, "select 1"):
        raise BrokenPipeError
