"""Repeated lines, found over shards of any size, against a count that is made one line at a time."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest

from pipeline.dedup import lines, repeated
from pipeline.dedup.config import DedupConfig, HostLinesConfig, LinesConfig
from pipeline.dedup.cuts import without
from pipeline.dedup.lines import Part
from pipeline.dedup.repeated import Documents
from pipeline.kernels.strings import hashes


class Page(NamedTuple):
    text: str
    host: str = "h.example"
    url: str = ""


def hashed(names: list[str]) -> np.ndarray:
    return np.where([bool(name) for name in names], hashes(pa.array(names, pa.string())), 0).astype(np.uint64)


def cut(pages: list[Page], sizes: list[int] | None = None, **config: Any) -> tuple[list[str], list[list[int]], list[int]]:
    """What is left of the pages, given in the order in which they are kept; the lines' counts of pages, and what emptied each."""
    sizes = sizes or [len(pages)]
    ends = np.cumsum(sizes).tolist()
    texts = [pa.array([page.text for page in pages[end - size : end]], pa.string()) for size, end in zip(sizes, ends, strict=True)]
    return cut_in_shards(pages, texts, np.arange(len(pages)), **config)


def cut_in_shards(
    pages: list[Page], texts: list[pa.Array], ranks: np.ndarray, **config: Any
) -> tuple[list[str], list[list[int]], list[int]]:
    firsts = np.concatenate([[0], np.cumsum([len(each) for each in texts])]).tolist()
    parts = [Part(first, lambda each=each: [each.slice(0, 2), each.slice(2)]) for first, each in zip(firsts, texts, strict=False)]
    documents = Documents(hashed([page.host for page in pages]), hashed([page.url for page in pages]), ranks)
    found = lines.find(lines.scopes(DedupConfig(**config)), parts, documents)
    made = [lines.cut(each, first, found) for first, each in zip(firsts, texts, strict=False)]
    left = [text for each, one in zip(texts, made, strict=True) for text in without(each, one.spans).to_pylist()]
    counts = [one.pages[one.spans.rows == row].tolist() for each, one in zip(texts, made, strict=True) for row in range(len(each))]
    return left, counts, [number for one in made for number in one.emptied_by.tolist()]


def host(**settings: Any) -> dict[str, HostLinesConfig]:
    return {"host_lines": HostLinesConfig(**settings)}


def corpus(**settings: Any) -> dict[str, LinesConfig]:
    return {"lines": LinesConfig(min_chars=1, **settings)}


def test_a_small_example_by_hand() -> None:
    pages = [
        Page("Home | About\n\nThe cat.\n\n© 2021 Cats Ltd.", "cats.example"),
        Page("HOME | About\n\nThe dog.\n\n© 2022 Cats Ltd.", "cats.example"),
        Page("Home  about\n© 2023 Cats Ltd", "cats.example"),
        Page("Home | About\n\nThe cat.", "other.example"),
    ]
    left, counts, emptied = cut(pages, **host(min_pages=3))
    assert left == ["The cat.", "The dog.", "", "Home | About\n\nThe cat."]
    assert counts == [[3, 3], [3, 3], [3, 3], []]
    assert emptied == [-1, -1, 0, -1]
    left, counts, emptied = cut(pages, **host(min_pages=3), **corpus())
    assert left == ["The cat.", "The dog.", "", "Home | About"]
    assert counts == [[3, 3], [3, 3], [3, 3], [2]]


@pytest.mark.parametrize(("min_pages", "gone"), [(4, True), (5, False)])
def test_a_line_goes_from_min_pages_on(min_pages: int, gone: bool) -> None:
    left = cut([Page(f"the menu\nword{number * 'x'}") for number in range(4)], **host(min_pages=min_pages))[0]
    assert ("the menu" not in left[0]) is gone
    left = cut([Page(f"the menu\nword{number * 'x'}") for number in range(4)], **corpus(min_pages=min_pages))[0]
    assert ["the menu" in each for each in left] == [True, *[not gone] * 3]


@pytest.mark.parametrize(("min_share", "gone"), [(0.3, True), (0.31, False)])
def test_a_line_goes_from_min_share_on_of_its_hosts_pages(min_share: float, gone: bool) -> None:
    pages = [Page(("the menu\n" if number < 3 else "") + f"word{number * 'x'}") for number in range(10)]
    pages += [Page(f"another{number * 'x'}", "b.example") for number in range(10)]
    assert ("the menu" not in cut(pages, **host(min_pages=2, min_share=min_share))[0][0]) is gone


@pytest.mark.parametrize(("min_chars", "gone"), [(5, True), (6, False)])
def test_shorter_lines_than_min_chars_stay(min_chars: int, gone: bool) -> None:
    pages = [Page(f"Go to: 1{number}\nword{number * 'x'}") for number in range(4)]  # "go to 0"
    assert ("Go to" not in cut(pages, **host(min_pages=2, min_chars=min_chars))[0][0]) is gone


def test_the_same_line_on_another_host_stays() -> None:
    pages = [*(Page(f"menu\na{number * 'x'}", "a.example") for number in range(5)), Page("menu\nb", "b.example"), Page("menu\nc", "")]
    assert [left.split("\n")[0] for left in cut(pages, **host())[0]] == ["a", "ax", "axx", "axxx", "axxxx", "menu", "menu"]


def test_pages_without_a_host_have_no_lines_of_a_host() -> None:
    pages = [Page(f"menu\na{number * 'x'}", "") for number in range(9)]
    assert cut(pages, **host())[0] == [page.text for page in pages]


def test_a_page_counts_once_however_often_it_came_in() -> None:
    copies = [Page("an article\nof two lines", url=f"u{number}") for number in range(5)]
    assert cut(copies, **host())[1] == [[]] * 5
    editions = [Page(f"an article\nas of day{number * 'x'}", url="same") for number in range(5)]
    assert cut(editions, **host())[1] == [[]] * 5
    # What the counted ones share goes from all.
    others = [Page(f"an article\nwith more{number * 'x'}", url=f"v{number}") for number in range(4)]
    assert cut([*editions, *others], **host())[1] == [[5]] * 9


def test_a_line_that_a_page_repeats_counts_once() -> None:
    pages = [Page("menu\nmenu\nmenu"), Page("menu\nb"), Page("c\nd\nf")]
    assert cut(pages, **host(min_pages=3))[1] == [[]] * 3
    assert cut(pages, **host(min_pages=2))[1] == [[2, 2, 2], [2], []]


def test_the_first_page_keeps_a_line_where_it_is_asked_for() -> None:
    pages = [Page("menu\nmenu\na"), Page("menu\nb"), Page("menu\nc", "b.example")]
    assert cut(pages, **host(min_pages=2, keep_first=True))[0] == ["menu\nmenu\na", "b", "menu\nc"]
    assert cut(pages, **corpus())[0] == ["menu\nmenu\na", "b", "c"]
    assert cut(pages, **corpus(keep_first=False))[0] == ["a", "b", "c"]
    texts = [pa.array([page.text for page in pages])]
    assert cut_in_shards(pages, texts, np.array([2, 1, 0]), **corpus())[0] == ["a", "b", "menu\nc"]


def test_copies_of_one_document_are_cut_alike() -> None:
    pages = [Page("one line\nanother"), Page("other text\none line"), Page("One line.\r\n\r\nAnother"), Page("one line\nanother")]
    assert cut(pages, **corpus())[0] == ["one line\nanother", "other text", "One line.\r\n\r\nAnother", "one line\nanother"]


def test_the_corpus_sees_what_the_hosts_leave() -> None:
    pages = [Page(f"menu\narticle\nword{number * 'x'}", "a.example") for number in range(5)] + [Page("menu\nb", "b.example")]
    left, counts, _ = cut(pages, **host(), **corpus())
    # `article` and `menu` are the host's; the one `menu` that is left stands once.
    assert left == [f"word{number * 'x'}" for number in range(5)] + ["menu\nb"]
    assert counts == [[5, 5]] * 5 + [[]]


def test_documents_that_the_hosts_make_one_are_cut_alike() -> None:
    pages = [Page(f"menu\nword{number * 'x'}") for number in range(5)] + [Page("menu\narticle"), Page("article"), Page("article\nmore")]
    assert cut(pages, **host(), **corpus())[0][5:] == ["article", "article", "more"]


def test_which_scope_emptied_a_document_is_told() -> None:
    pages = [Page(f"menu\n---\nb\nword{number * 'x'}") for number in range(5)] + [Page("menu\n---"), Page("menu\nb"), Page("---")]
    pages += [Page("in two places\nc", ""), Page("in two places\n*", "")]
    left, _, emptied = cut(pages, **host(min_chars=2), **corpus())
    assert emptied == [-1] * 5 + [0, 1, -1, -1, 1]
    assert left[5:] == ["---", "", "---", "in two places\nc", "*"]
    assert cut([Page("menu\r\nmenu"), Page("menu"), Page("menu x")], **corpus(keep_first=False))[2] == [0, 0, -1]


@pytest.mark.parametrize("breaks", ["\n", "\r\n", "\r", "\u2028", "\n\n \n"])
def test_line_breaks_of_all_kinds(breaks: str) -> None:
    pages = [Page(breaks.join(["Меню", f"é{number * 'x'}", "中文 ©", ""])) for number in range(5)]
    assert cut(pages, **host(min_chars=2))[0] == [f"é{number * 'x'}" for number in range(5)]


@pytest.mark.parametrize("pages", [[], [Page("")], [Page("\n \n"), Page("--")]])
def test_documents_of_little_or_nothing(pages: list[Page]) -> None:
    assert cut(pages, **host(min_pages=2, min_chars=1), **corpus())[0] == [page.text for page in pages]


def brute_force(pages: list[Page], min_pages: int, min_share: float) -> list[str]:
    """The texts without their hosts' lines; the pages' texts and URLs are all different, and their lines of lower-case letters."""
    hosts: dict[str, list[set[str]]] = defaultdict(list)
    for page in pages:
        hosts[page.host].append(set(page.text.split("\n")))

    def stays(page: Page, line: str) -> bool:
        count = sum(line in each for each in hosts[page.host])
        return count < min_pages or count / len(hosts[page.host]) < min_share

    return ["\n".join(line for line in page.text.split("\n") if stays(page, line)) for page in pages]


def random_pages(rng: np.random.Generator, count: int) -> list[Page]:
    words = ["".join(rng.choice(list("abcdefgh"), 6)) for _ in range(60)]
    texts = ["\n".join([*rng.choice(words, rng.integers(1, 8)), f"own{'x' * number}"]) for number in range(count)]
    return [Page(text, f"h{rng.integers(0, 3)}", f"u{number}") for number, text in enumerate(texts)]


def test_it_is_what_counting_one_by_one_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeated, "_LINES_AT_ONCE", 50)  # ten runs and more
    pages = random_pages(np.random.default_rng(0), 120)
    expected = brute_force(pages, 6, 0.15)
    gone = sum(page.text.count("\n") - left.count("\n") for page, left in zip(pages, expected, strict=True))
    assert 40 < gone < sum(page.text.count("\n") for page in pages) - 40
    assert cut(pages, [7, 0, 50, 63], **host(min_pages=6, min_share=0.15))[0] == expected


@pytest.mark.parametrize("seed", range(4))
def test_neither_order_nor_shards_nor_runs_matter(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pages = random_pages(rng, 80)
    pages += [Page(pages[number].text, f"h{rng.integers(0, 3)}", f"u{rng.integers(0, 90)}") for number in rng.integers(0, 80, 40)]
    config = host(min_pages=4, keep_first=bool(seed % 2)) | corpus(min_pages=3)
    first, counts, emptied = cut(pages, **config)
    assert any(counts)
    monkeypatch.setattr(repeated, "_LINES_AT_ONCE", int(rng.integers(20, 200)))
    order = rng.permutation(len(pages))
    shuffled = [pages[number] for number in order]
    texts = [pa.array([shuffled[place].text for place in part], pa.string()) for part in np.array_split(np.arange(len(pages)), 5)]
    again = cut_in_shards(shuffled, texts, order, **config)
    assert [again[0][place] for place in np.argsort(order)] == first
    assert [again[1][place] for place in np.argsort(order)] == counts
    assert [again[2][place] for place in np.argsort(order)] == emptied
