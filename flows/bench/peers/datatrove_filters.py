"""Run by `.venv-peers`, never imported: datatrove's four filters over texts, one behind the other as in its own pipelines.

Takes a file of JSON lines, {"text": …}; prints its seconds of CPU time, texts read and libraries loaded before, and how many
texts it keeps.
"""

import json
import os
import sys
import time
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
warnings.simplefilter("ignore")

from datatrove.data import Document  # noqa: E402  # read offline
from datatrove.pipeline.filters import (  # noqa: E402
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)

if __name__ == "__main__":
    filters = [GopherRepetitionFilter(), GopherQualityFilter(), C4QualityFilter(filter_no_terminal_punct=False), FineWebQualityFilter()]
    lines = Path(sys.argv[1]).read_text().split("\n")[:-1]
    documents = [Document(text=json.loads(line)["text"], id=str(number)) for number, line in enumerate(lines)]
    for each in filters:
        each.filter(Document(text="This is a text to load its words with. " * 5, id="first"))
    before = time.process_time()
    kept = sum(all(each.filter(document) is True for each in filters) for document in documents)
    print(time.process_time() - before, kept)
