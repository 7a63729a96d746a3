"""WARC files to kept, deduplicated documents on disk by FineWeb's recipe, less its URL and language filters, beside datatrove's chain.

Pages a second of CPU time, of all processes on either side: so a core's.
"""

from __future__ import annotations

import tempfile
import tomllib
from functools import cache
from pathlib import Path

from flows.bench import peer
from flows.bench.cpu import cpu_s
from flows.bench.result import Result
from flows.job import SHIPPED
from pipeline import corpus, recipe, shard
from pipeline.extraction import confined
from pipeline.extraction.page import Config
from pipeline.ingest import inputs
from pipeline.recipe import Recipe
from pipeline.store import Built, Store

LEFT_OUT = ("url_blocklist", "language")
PART = "*[02468].warc.gz"  # where there are such, to be done within minutes


def beside_datatrove(name: str, engine: str) -> Result:
    """By one of our engines; the peer extracts by trafilatura."""
    folder = peer.warcs()
    _ours(_recipe(folder, engine, sorted(folder.glob("*.warc.gz"))[0].name))  # kernels compiled, libraries loaded
    names = PART if any(folder.glob(PART)) else "*.warc.gz"
    wanted = _recipe(folder, engine, names)
    # Before and after the peer: how fast the machine is may change within its minutes.
    before, made = _ours(wanted)
    peer_s, peer_pages, peer_kept = _peer(folder, names)
    after, _ = _ours(wanted)
    counts = made.manifest.counts
    ours, theirs = 2 * counts["records"] / (before + after), peer_pages / peer_s
    note = f"{counts['records']} pages by {engine}, {counts['kept']} kept; the peer's by trafilatura, {peer_kept:.0f} kept; by CPU time"
    return Result(name, "pages/s", round(ours, 1), round(theirs, 2), "datatrove", round(ours / theirs, 1), note)


def _recipe(folder: Path, engine: str, names: str) -> Recipe:
    table = tomllib.loads((SHIPPED / "fineweb.toml").read_text())
    table["step"] = [use for use in table["step"] if use["use"] not in LEFT_OUT]
    table["source"][0]["files"] = [names]
    next(use for use in table["step"] if use["use"] == "extract")["engine"] = engine
    return recipe.made(table, "fineweb.toml", folder, (), {})


def _ours(wanted: Recipe) -> tuple[float, Built]:
    """Seconds of CPU time, and the corpus made. What it takes to load libraries counts on neither side."""
    began = cpu_s()
    confined.read([confined.Request(b"<p>text</p>", None, None)], Config())
    confined.parser.stop()
    before = cpu_s()
    loading = before - began
    with tempfile.TemporaryDirectory() as root:
        store = Store(root)
        shards = shard.plan(wanted, {source.name: inputs.find(store, source, wanted.folder) for source in wanted.sources})
        for each in shards:
            shard.process(store, each)
        made = corpus.build(store, wanted, [each.fingerprint for each in shards])
        confined.parser.stop()  # the child's time counts once it has ended
        return cpu_s() - before - loading, made


@cache
def _peer(folder: Path, names: str) -> list[float]:
    """Seconds of CPU time, pages read and documents kept."""
    with tempfile.TemporaryDirectory() as work:
        return peer.numbers("datatrove_fineweb.py", folder, names, work)
