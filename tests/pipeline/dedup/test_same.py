"""When two pages have one address, and two records the same bytes."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.dedup import same
from pipeline.dedup.same import address

PAGE = "https://h.example/a?id=1"


@pytest.mark.parametrize(
    ("url", "declared", "known_by"),
    [
        ("HTTPS://H.example:443/x/../a?id=1#top", None, PAGE),
        (PAGE, "https://h.example/b", "https://h.example/b"),
        (PAGE, "https://h.example/", PAGE),  # a template that names the front page on every page
        (PAGE, "https://other.example/b", PAGE),
        (PAGE, "no address", PAGE),
        ("https://h.example/", "https://h.example/start", "https://h.example/start"),
        ("urn:isbn:1", "https://h.example/b", "urn:isbn:1"),
    ],
)
def test_a_page_is_known_by_one_spelling_of_its_own_address(url: str, declared: str | None, known_by: str) -> None:
    assert address(url, declared) == known_by


def test_pages_without_a_url_and_records_without_a_payload_are_like_no_other() -> None:
    urls = same.of_addresses(pa.chunked_array([[PAGE, None, "", PAGE + "#2"]]), None)
    assert urls.known.tolist() == [True, False, False, True]
    assert urls.digests[0].tolist() == urls.digests[3].tolist()
    records = same.of_digests(pa.chunked_array([pa.array([b"a" * 16, None], pa.binary(16))]))
    assert records.known.tolist() == [True, False]
    assert records.digests[0].tobytes() == b"a" * 16


def test_marks_of_several_runs_are_one_after_another() -> None:
    one = same.of_digests(pa.chunked_array([pa.array([b"a" * 16], pa.binary(16))]))
    other = same.of_digests(pa.chunked_array([pa.array([b"b" * 16, None], pa.binary(16))]))
    assert same.joined([one, other]).known.tolist() == [True, True, False]
    assert same.joined([]).digests.shape == (0, 2)
