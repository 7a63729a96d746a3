"""WARC files to extracted documents on disk, beside datatrove: pages a second of CPU time, of all processes on either side."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from flows.bench import peer
from flows.bench.cpu import cpu_s
from flows.bench.result import Result
from pipeline import shard
from pipeline import step as steps
from pipeline.extraction import confined
from pipeline.ingest import inputs
from pipeline.recipe import Source, StepUse
from pipeline.store import Store


def beside_datatrove(engine: str) -> Result:
    """Our extraction by one engine, and datatrove's, which is by trafilatura, over the same files in the same run."""
    folder = peer.warcs()
    _ours(engine, folder, limit=1)  # kernels compiled, libraries loaded
    pages, seconds = _ours(engine, folder)
    ours, theirs = pages / seconds, pages / _peer_s(folder)
    note = f"{pages} pages of {sum(path.stat().st_size for path in folder.glob('*.warc.gz')) / 1e6:.0f} MB of WARC, by CPU time"
    return Result(f"extract.{engine}", "pages/s", round(ours, 1), round(theirs, 1), "datatrove", round(ours / theirs, 2), note)


def _ours(engine: str, folder: Path, limit: int | None = None) -> tuple[int, float]:
    """Pages, and the seconds of CPU time that they took."""
    step = steps.find("extract")
    use = StepUse("extract", "extract", step.Config.model_validate({"engine": engine}))
    source = Source(name="bench", files=(str(folder / "*.warc.gz"),))
    with tempfile.TemporaryDirectory() as root:
        store = Store(root)
        given = inputs.find(store, source, folder)[:limit]
        before = cpu_s()
        built = [shard.process(store, shard.Shard(source, (each,), (use,))) for each in given]
        confined.parser.stop()  # the child's time counts once it has ended
        return sum(each.manifest.counts["records"] for each in built), cpu_s() - before


@cache
def _peer_s(folder: Path) -> float:
    """Seconds of CPU time of datatrove's reader, extractor and writer."""
    with tempfile.TemporaryDirectory() as work:
        return peer.seconds("datatrove_extract.py", folder, work)
