"""Run by `.venv-peers`, never imported: datatrove's FineWeb chain, less its URL and language filters, from WARC files to kept documents.

Takes the folder of WARC files, how they are called there, and a folder to work in; prints its seconds of CPU time, of all processes, how
many pages it read, and how many documents it keeps.
"""

import json
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.formatters import PIIFormatter
from datatrove.pipeline.readers import JsonlReader, WarcReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove_minhash import deduplicate, run
from measured import cpu_s


def counted(work: str, part: str, step: int, count: str) -> int:
    """What a step of a part says that it counted."""
    said = json.loads(Path(work, "logs", part, "stats.json").read_text())[step]["stats"][count]
    return said["total"] if isinstance(said, dict) else said


if __name__ == "__main__":
    folder, names, work = sys.argv[1:]
    chain = [
        WarcReader(folder, glob_pattern=names),
        Trafilatura(favour_precision=True),
        GopherRepetitionFilter(),
        GopherQualityFilter(),
        C4QualityFilter(filter_no_terminal_punct=False),
        FineWebQualityFilter(),
        JsonlWriter(f"{work}/filtered"),
    ]
    before = cpu_s()
    run(work, "filter", chain)
    deduplicate(work, JsonlReader(f"{work}/filtered"), [PIIFormatter(), JsonlWriter(f"{work}/kept")])
    used = cpu_s() - before
    print(used, counted(work, "filter", 0, "documents"), counted(work, "keep", 3, "total"))
