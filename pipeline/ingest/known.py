"""What was found by reading raw files whole (digest, places to cut), remembered until a file changes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import NamedTuple

from pipeline.ingest.cuts import Cut
from pipeline.ingest.files import File
from pipeline.ingest.readers import reader
from pipeline.recipe import Source
from pipeline.step import RACY_NS
from pipeline.store import Store, canonical

VERSION = 1


class Look(NamedTuple):
    """What one file is: `error` where it could not be opened."""

    digest: str
    cuts: tuple[Cut, ...]
    error: str | None


class Known:
    """The looks of one source, in a file of its root; a file is known by its place, size and time of change."""

    def __init__(self, store: Store, source: Source) -> None:
        self._store, self._place = store, f"inputs/{source.name}.json"
        settings = source.model_dump(mode="json", exclude={"files", "crawl", "common_crawl"})
        self._of = {"version": [VERSION, reader(source).VERSION], "source": settings}
        self._looks: dict[str, list] = {}
        if store.exists(self._place):
            try:
                found = json.loads(store.read(self._place))
                self._looks = found["looks"] if found["of"] == self._of else {}
            except (ValueError, KeyError, TypeError):  # as good as not there: it is a memory, and made again
                self._looks = {}

    def get(self, file: File) -> Look | None:
        """What is known of a file, if it is as it was."""
        bytes_, changed_ns, digest, cuts = self._looks.get(file.uri, (None, None, "", ()))
        same = file.error is None and (file.bytes, file.changed_ns) == (bytes_, changed_ns) and file.sha256 in (None, digest)
        return Look(digest, tuple(Cut(*cut) for cut in cuts), None) if same else None

    def keep(self, looks: Mapping[File, Look]) -> None:
        """Remember these, and no others."""
        steady = time.time_ns() - RACY_NS
        kept = {
            file.uri: [file.bytes, file.changed_ns, look.digest, [list(cut) for cut in look.cuts]]
            for file, look in looks.items()
            if look.error is None and file.changed_ns is not None and file.changed_ns < steady
        }
        if kept == self._looks:
            return
        with self._store.lock(self._place):
            self._store.write(self._place, canonical({"of": self._of, "looks": kept}))
