"""Corpora of a few pages, made through the whole line."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

from conftest import as_input, json_lines

from pipeline import corpus, schema, shard
from pipeline.ingest.inputs import Input
from pipeline.recipe import Recipe, Source
from pipeline.store import Store

HEAD = """
[[source]]
name = "web"
format = "jsonl"
files = ["*.jsonl"]
id_key = "id"
url_key = "url"
[[step]]
use = "toy_words"
[split]
validation = 0
test = 0
[order]
sequence_tokens = 8
"""


def own(number: int) -> str:
    return " ".join(f"word{chr(97 + number)}{chr(97 + place)}" for place in range(30))


class Made:
    """A corpus of pages by URL."""

    def __init__(self, store: Store, recipe: Recipe, folder: Path, *parts: dict[str, str]) -> None:
        self.store, self.given = store, list[tuple[Source, Input]]()
        for part in parts:
            data = json_lines([{"id": url, "url": url, "text": text} for url, text in part.items()])
            path = folder / f"{sha256(data).hexdigest()}.jsonl"
            path.write_bytes(data)
            self.given.append((recipe.sources[0], as_input(path)))
        made = [shard.Shard(source, (each,), recipe.steps) for source, each in self.given]
        self.shards = [shard.process(store, each).manifest.fingerprint for each in made]
        self.built = corpus.build(store, recipe, self.shards)
        self.urls = {schema.doc_id("web", url.encode()): url for part in parts for url in part}

    def rows(self, kind: str) -> list[dict[str, Any]]:
        tables = [self.store.table(f"{self.built.path}/{path}") for path in self.built.manifest.paths(kind)]
        rows = [row for table in tables for row in table.to_pylist()]
        return [{key: self.urls.get(getattr(value, "bytes", None), value) for key, value in row.items()} for row in rows]

    def by_url(self, kind: str, column: str) -> dict[str, Any]:
        return {row["doc_id"]: row[column] for row in self.rows(kind)}


def texts_without_cuts(made: Made, pages: dict[str, str]) -> dict[str, str]:
    """The texts of pages as cutting leaves them."""
    left = {url: text.encode() for url, text in pages.items()}
    for cut in sorted(made.rows("cuts"), key=lambda row: -row["start"]):
        url = cut["doc_id"]
        assert 0 <= cut["start"] < cut["end"] <= len(pages[url].encode())
        left[url] = left[url][: cut["start"]] + left[url][cut["end"] :]
    return {url: text.decode() for url, text in left.items()}
