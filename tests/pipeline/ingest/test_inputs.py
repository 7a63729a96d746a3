"""What raw files a source holds: known by content, in order of name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import ingest, shard
from pipeline.ingest import inputs
from pipeline.recipe import Source
from pipeline.store import Part, Store
from pipeline.typed import RecipeError


def files(*patterns: str) -> Source:
    return Source(name="web", format="jsonl", files=patterns)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data [1]"  # that a pattern would take for a choice of characters
    for name in ("b.jsonl", "a.jsonl", "deep/er/c.jsonl", "deep/a.jsonl", "other.txt"):
        path = made / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return made


def names(folder: Path, *patterns: str) -> list[str]:
    return [found.name for found in inputs.find(Store(folder), files(*patterns), folder)]


def test_patterns_are_relative_to_the_recipes_folder(folder: Path) -> None:
    assert names(folder, "*.jsonl") == ["a.jsonl", "b.jsonl"]
    assert names(folder, "other.txt", "b.jsonl") == ["b.jsonl", "other.txt"]
    assert names(folder, str(folder / "deep" / "er" / "c.jsonl")) == ["c.jsonl"]


def test_files_of_one_name_in_two_folders_are_two_inputs(folder: Path) -> None:
    assert names(folder, "**/*.jsonl") == ["a.jsonl", "b.jsonl", "deep/a.jsonl", "deep/er/c.jsonl"]
    assert names(folder, "a.jsonl", "deep/a.jsonl") == ["a.jsonl", "deep/a.jsonl"]


def test_a_file_named_twice_is_one_input(folder: Path) -> None:
    assert names(folder, "*.jsonl", "a.jsonl", "./a.jsonl", "deep/../a.jsonl") == ["a.jsonl", "b.jsonl"]


def test_the_same_bytes_twice_are_one_input(folder: Path) -> None:
    (folder / "copy.jsonl").write_bytes((folder / "b.jsonl").read_bytes())
    assert names(folder, "copy.jsonl", "*.jsonl") == names(folder, "*.jsonl", "copy.jsonl") == ["a.jsonl", "b.jsonl"]


def test_equal_pages_of_one_name_in_two_folders_are_two_records(tmp_path: Path) -> None:
    store, paths = Store(tmp_path / "root"), [tmp_path / folder / "page.html" for folder in "ab"]
    for path in paths:
        path.parent.mkdir()
        path.write_text("<p>one page")
    pages = Source(name="web", format="pages", files=tuple(map(str, paths)))
    found = inputs.find(store, pages, tmp_path)
    rows = [row for batch in ingest.read(pages, found) for row in batch.to_pylist()]
    assert [(row["file"], row["content"], row["error"]) for row in rows] == [("page.html", b"<p>one page", None)] * 2
    assert len({row["doc_id"] for row in rows}) == 2
    alone = inputs.find(store, pages.model_copy(update={"files": pages.files[:1]}), tmp_path)
    assert next(ingest.read(pages, alone))["doc_id"][0].as_py() == rows[0]["doc_id"]
    assert len({shard.Shard(pages, (each,), ()).fingerprint for each in found}) == 2


def test_files_of_one_name_that_cannot_be_read_have_a_fate_each(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "gone.jsonl" for folder in "ab"]
    for path in paths:
        path.parent.mkdir()
        path.symlink_to("nowhere")
    lines = files(*map(str, paths))
    rows = [row for batch in ingest.read(lines, inputs.find(Store(tmp_path), lines, tmp_path)) for row in batch.to_pylist()]
    assert [row["error"] for row in rows] == ["unreadable"] * 2
    assert len({row["doc_id"] for row in rows}) == 2


def test_an_input_is_known_by_its_digest_and_found_by_its_place(folder: Path) -> None:
    found = inputs.find(Store(folder), files("a.jsonl"), folder)[0]
    data = (folder / "a.jsonl").read_bytes()
    assert (found.digest, found.bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    assert Store(found.root).read(found.path) == data


def test_a_link_has_the_name_it_is_given(folder: Path) -> None:
    (folder / "linked.jsonl").symlink_to(folder / "other.txt")
    assert names(folder, "linked.jsonl") == ["linked.jsonl"]


@pytest.mark.parametrize("pattern", ["none.jsonl", "*.warc", "deep/*.warc"])
def test_a_pattern_that_matches_no_file_is_told_in_one_line(folder: Path, pattern: str) -> None:
    with pytest.raises(RecipeError) as raised:
        inputs.find(Store(folder), files("a.jsonl", pattern), folder)
    assert str(raised.value) == f"source.web.files: expected a file that exists; none matches '{folder}/{pattern}'"


def test_a_crawl_gives_what_it_has_closed(store: Store) -> None:
    source = Source.model_validate({"name": "site", "crawl": {"seeds": ["http://h.example/"], "contact": "a@h.example"}})
    with pytest.raises(FileNotFoundError, match="the crawl 'site' has closed nothing yet; crawl first"):
        inputs.find(store, source, Path())
    store.write("raw/site/open.warc.gz.open", b"not yet")
    parts = [store.write(f"raw/site/{name}", name.encode()) for name in ("2.warc.gz", "1.warc.gz")]
    crawl_manifest(store, *parts)
    assert [(found.root, found.path, found.digest, found.error) for found in inputs.find(store, source, Path())] == [
        (store.root, part.path, part.sha256, None) for part in parts[::-1]
    ]


def crawl_manifest(store: Store, *parts: Part) -> None:
    listed = [{"name": part.path.rpartition("/")[2], "sha256": part.sha256, "bytes": part.bytes} for part in parts]
    store.write("raw/site/crawl.json", json.dumps({"files": listed}).encode())


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: path.write_bytes(b""), "0 bytes, where crawl.json says 5"),
        (
            lambda path: path.write_bytes(b"xxxxx"),
            f"other bytes than crawl.json says: their SHA-256 is {hashlib.sha256(b'xxxxx').hexdigest()}",
        ),
        (Path.unlink, "No such file or directory"),
    ],
    ids=["emptied", "other bytes", "gone"],
)
def test_a_crawls_file_that_is_not_what_was_closed_is_unreadable(store: Store, spoil: Callable[[Path], object], why: str) -> None:
    source = Source(name="site", crawled="site")
    crawl_manifest(store, store.write("raw/site/1.warc.gz", b"right"), store.write("raw/site/2.warc.gz", b"other"))
    good = inputs.find(store, source, Path())
    spoil(Path(store.path("raw/site/1.warc.gz")))
    bad, other = inputs.find(store, source, Path())
    assert (bad.error, other) == (why, good[1])
    assert bad.digest != good[0].digest  # or else what was made of the good file would pass for it
    (row,) = next(ingest.read(source, [bad])).to_pylist()
    assert (row["file"], row["error"], row["error_detail"]) == ("1.warc.gz", "unreadable", why)
    store.write("raw/site/1.warc.gz", b"right")
    assert inputs.find(store, source, Path()) == good
