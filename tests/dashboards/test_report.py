"""One page, whole, without scripts or requests, whatever the crawled text says."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import pytest

from dashboards import charts, report, signals
from pipeline import catalog
from pipeline.store import Store


class Page(HTMLParser):
    """The tags, attributes and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {(name, value or "") for name, value in attrs}

    def handle_data(self, data: str) -> None:
        self.texts.append(" ".join(data.split()))


@pytest.fixture(scope="module")
def written(root: Path) -> str:
    return report.page(Store(root))


def test_the_page_asks_nothing_of_the_network_and_runs_nothing(written: str) -> None:
    page = Page(written)
    assert page.tags.isdisjoint(
        {"script", "img", "link", "iframe", "object", "embed", "base", "form", "a", "use", "image", "foreignobject"}
    )
    assert {name for name, _ in page.attributes}.isdisjoint({"src", "href", "xlink:href", "srcset", "action"})
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    (policy,) = [value for name, value in page.attributes if name == "content" and "default-src" in value]
    assert policy.startswith("default-src 'none';")
    assert "script-src" not in policy
    assert "url(" not in written
    assert "@import" not in written


def test_hostile_text_is_shown_as_text(written: str) -> None:
    page = Page(written)
    assert '<script>alert("x")</script> \\x1b[31mred' in " ".join(page.texts)
    assert "<b onmouseover=alert(1)>host</b>" in "".join(page.texts)
    assert all(sign not in written for sign in ("\x1b", "\x07", "\u202e", "\u202c"))


def test_the_page_tells_of_every_part_of_the_line(written: str) -> None:
    texts = Page(written).texts
    for title in (
        *("From records to documents", "Drops by rule", "Languages", "Hosts", "Lengths", "Signals against their bounds"),
        *(
            "What other bounds would keep",
            "Duplicates by similarity",
            "Most copied",
            "The crawl",
            "Errors",
            "Tokens",
            "Loss",
            "Bits per byte on held-out text",
        ),
        *("Completions", "Samples"),
    ):
        assert title in texts
    tiles = [texts[place + 1] for place, text in enumerate(texts) if text in ("records in", "kept", "duplicates", "training tokens")]
    assert tiles[:4] == ["40", "50.0%", "10.0%", "371"]
    assert "quality.words.min: 12 against 50" in " ".join(texts)
    assert written.count("<svg") == 7  # lengths, two signals, two outlooks, similarity, loss


def test_a_root_with_nothing_in_it_has_a_page_that_says_so(nothing: Store) -> None:
    texts = Page(report.page(nothing)).texts
    assert texts.count("No corpus yet.") >= 5
    assert {"No token set yet.", "No model has been trained yet.", "No model has been evaluated yet."} <= set(texts)


def test_the_same_root_gives_the_same_page(written: str, root: Path) -> None:
    assert report.page(Store(root)) == written


def test_a_histogram_counts_every_measured_record_on_its_side_of_the_bound(store: Store) -> None:
    with catalog.connect(store) as connection:
        found = {each.signal: each for each in signals.histograms(connection, 10)}
    words = found["quality.words"]
    assert words.limits == [40.0, 50.0]
    assert sum(words.bins["passed"].to_pylist()) == 32
    assert sum(words.bins["broke"].to_pylist()) == 4
    assert found["quality.symbols"].dropped == 4


def test_a_bound_far_from_the_values_does_not_press_them_into_one_bar() -> None:
    low, width, count = signals._bins(0.0, 1.0, whole=False, limits=[100_000.0])
    assert (low, round(low + width * count, 9)) == (0.0, 1.0)
    low, width, count = signals._bins(0.0, 1.0, whole=False, limits=[1.5])
    assert (low, round(low + width * count, 9)) == (0.0, 1.5)
    assert signals._bins(3.0, 3.0, whole=True, limits=[]) == (2.5, 1.0, 1)
    assert signals._bins(0.5, 0.5, whole=False, limits=[])[1] > 0


def test_charts_are_well_formed_and_escape_what_they_are_told(hostile: str) -> None:
    bins = pa.table({"low": [0.0, 1.0], "high": [1.0, 2.0], "passed": [3, 0], "broke": [0, 2]})
    steps = pa.table({"run": [hostile] * 2, "step": [0, 1], "loss": [2.0, 1.0], "smooth": [2.0, 1.5]})
    for drawn in (charts.histogram(bins, [1.0, 99.0]), charts.loss(steps)):
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(drawn).iter()}
        assert "svg" in tags
        assert "script" not in tags
    assert "stroke-dasharray" in charts.histogram(bins, [1.0])
    assert "stroke-dasharray" not in charts.histogram(bins, [99.0])
