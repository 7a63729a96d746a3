"""A store, makers of raw files and recipes, and tiny steps that break rules on purpose."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import manpages
import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

import pipeline.steps
from pipeline import recipe as recipes
from pipeline import step
from pipeline.ingest.inputs import Input
from pipeline.recipe import Recipe
from pipeline.store import Store

MANPAGES = "CORPUSMILL_MANPAGES"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "root")


@pytest.fixture
def toy_steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The steps of `toy_steps/` beside the real ones."""
    monkeypatch.setattr(pipeline.steps, "__path__", [*pipeline.steps.__path__, str(Path(__file__).parent / "toy_steps")])
    step.names.cache_clear()
    yield
    step.names.cache_clear()
    for name in [name for name in sys.modules if name.startswith("pipeline.steps.toy_")]:
        del sys.modules[name]


def warc_bytes(pages: list[tuple[str, str, bytes]], gz: bool = True, head: str = "text/html; charset=utf-8", **warcinfo: str) -> bytes:
    """A WARC file with a warcinfo record, and for each (record type, URL, payload) a record."""
    stream = io.BytesIO()
    writer = WARCWriter(stream, gzip=gz)
    writer.write_record(writer.create_warcinfo_record("test.warc", {"software": "test", **warcinfo}))
    for kind, url, payload in pages:
        http = {
            "response": StatusAndHeaders("200 OK", [("Content-Type", head)], protocol="HTTP/1.1"),
            "revisit": StatusAndHeaders("304 Not Modified", [], protocol="HTTP/1.1"),
            "request": StatusAndHeaders("GET / HTTP/1.1", [("Host", "h.example")], is_http_request=True),
        }.get(kind)
        content = {"conversion": "text/plain"}.get(kind)
        headers = {"WARC-Date": "2026-01-02T03:04:05Z", **({"Content-Type": content} if content else {})}
        writer.write_record(writer.create_warc_record(url, kind, payload=io.BytesIO(payload), http_headers=http, warc_headers_dict=headers))
    return stream.getvalue()


def json_lines(rows: list[Any], gz: bool = False) -> bytes:
    """A JSON Lines file."""
    data = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    return gzip.compress(data, mtime=0) if gz else data


def as_input(path: Path) -> Input:
    """A file as an input."""
    data = path.read_bytes()
    return Input(str(path.parent), path.name, path.name, hashlib.sha256(data).hexdigest(), len(data))


@pytest.fixture(scope="session")
def translated_pages() -> list[manpages.Page]:
    """Pages in many languages, which `manpages` makes."""
    if MANPAGES not in os.environ:
        pytest.skip(f"expected a folder in ${MANPAGES}: `python {manpages.__file__} FOLDER` makes one, on Debian")
    return manpages.load(Path(os.environ[MANPAGES]))


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Recipe]:
    """Write a recipe's text beside the test's files, and read it."""

    def load(text: str, *overrides: str, name: str = "recipe.toml") -> Recipe:
        path = tmp_path / name
        path.write_text(text)
        return recipes.load(path, overrides)

    return load
