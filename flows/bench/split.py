"""One large WARC file over two workers beside one: from looking for where to cut it, to the last shard on disk."""

from __future__ import annotations

import tempfile
import time
from functools import partial
from itertools import cycle
from pathlib import Path

from flows import line, stages
from flows.bench import peer
from flows.bench.result import Result
from pipeline import shard
from pipeline import step as steps
from pipeline.ingest import inputs
from pipeline.recipe import Source, StepUse
from pipeline.store import Store

BYTES = 1_000_000_000


def two_workers() -> Result:
    """The same shards, byte for byte, by two processes and by one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _grow(folder / "large.warc.gz", sorted(peer.warcs().glob("*.warc.gz")))
        two_s, two = _timed(folder, 2)
        one_s, one = _timed(folder, 1)
    if one != two:
        raise RuntimeError("two workers made other bytes than one")
    note = f"{BYTES / 1e9:g} GB in one file, extracted by resiliparse; the same bytes"
    return Result("ingest.split", "s", round(two_s, 1), round(one_s, 1), "one worker", round(one_s / two_s, 2), note)


def _grow(path: Path, parts: list[Path]) -> None:
    """The files one behind the other, over and over, up to BYTES."""
    with path.open("wb") as stream:
        for part in cycle(parts):
            stream.write(part.read_bytes())
            if stream.tell() >= BYTES:
                return


def _timed(folder: Path, workers: int) -> tuple[float, list[str]]:
    """Seconds, and the digest of every file made."""
    use = StepUse("extract", "extract", steps.find("extract").Config())
    source = Source(name="bench", files=("large.warc.gz",))
    root = str(folder / f"root-{workers}")
    began = time.perf_counter()
    found = [shard.Shard(source, bundle, (use,)) for bundle in shard.bundles(inputs.find(Store(root), source, folder))]
    groups = line.in_processes(workers, "shards", partial(stages.process_group, root, None), stages.groups(found, workers))
    made = [built for group in groups for built in group]
    return time.perf_counter() - began, sorted(file.sha256 for built in made for file in built.manifest.files)
