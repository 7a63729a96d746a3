from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline import schema
from pipeline.dedup.config import DedupConfig
from pipeline.dedup.precedence import precedence, priority


def ids(*values: int) -> pa.Array:
    return schema.doc_ids([value.to_bytes(16) for value in values])


def test_smaller_ranks_come_first_and_then_smaller_ids() -> None:
    assert precedence(ids(3, 1, 2, 0), np.array([0, 5, 0, -1])).tolist() == [3, 2, 0, 1]


def test_ids_compare_as_their_bytes_do() -> None:
    values = [1 << 127, 1, 256, (1 << 64) + 1, 1 << 64, 2**128 - 1]
    in_order = np.array(values, object)[precedence(ids(*values), np.zeros(6, np.int64))]
    assert [value.to_bytes(16) for value in in_order] == sorted(value.to_bytes(16) for value in values)


def test_chunked_sliced_and_plain_binary_ids_are_ids() -> None:
    chunked = pa.chunked_array([ids(9, 8, 3).slice(2), ids(1)])
    assert precedence(chunked, np.zeros(2, np.int64)).tolist() == [1, 0]
    assert precedence(ids(3, 1).storage, np.zeros(2, np.int64)).tolist() == [1, 0]
    assert precedence(ids(), np.zeros(0, np.int64)).tolist() == []


@pytest.mark.parametrize(("prefer", "best_first"), [("highest made_score", [3, 2, 4]), ("lowest made_score", [4, 2, 3])])
def test_what_has_no_signal_comes_last_whichever_way_is_preferred(prefer: str, best_first: list[int]) -> None:
    scores = [None, float("nan"), 0.5, float("inf"), -1.0]
    known = pa.table({"source": ["web"] * 5, "signal": pa.array(scores, pa.float64())})
    ranks = priority(DedupConfig(prefer=prefer), known)
    assert np.argsort(ranks, kind="stable").tolist() == [*best_first, 0, 1]
    preferred = priority(DedupConfig(prefer=prefer, prefer_sources=("books",)), known.set_column(0, "source", [["web"] * 4 + ["books"]]))
    assert preferred.argmin() == 4


@pytest.mark.parametrize(
    ("doc_ids", "priority", "expected"),
    [
        (ids(1, 2, 1), np.zeros(3, np.int64), "each doc_id once"),
        (ids(1, 2), np.zeros(3, np.int64), "for each of 2 documents"),
        (ids(1, 2), np.zeros(2), "a whole number"),
        (pa.array(["a"]), np.zeros(1, np.int64), "16 bytes"),
        (pa.array([b"x" * 16, None], pa.binary(16)), np.zeros(2, np.int64), "one is null"),
    ],
)
def test_bad_input_is_one_clear_error(doc_ids: pa.Array, priority: np.ndarray, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        precedence(doc_ids, priority)
