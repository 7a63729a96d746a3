"""What each step makes of the plain rows, as digests in `golden.json`: a changed output needs a new VERSION.

python tests/pipeline/golden.py            print the digests
python tests/pipeline/golden.py --update   write those of steps whose VERSION, or a library of whose USES, is new
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import nasty
import pyarrow as pa
import trained

from pipeline import step
from pipeline.step import StepConfig, StepResult

FILE = Path(__file__).parent / "golden.json"


def config(name: str) -> StepConfig:
    """The settings with which a step is held to the laws."""
    return step.find(name).Config(**trained.settings(name))


def plain_batch(name: str) -> pa.RecordBatch:
    """The plain rows for a step: pages to extract, texts for all others."""
    return nasty.page_batch(list(nasty.PLAIN_PAGES.values())) if name == "extract" else nasty.text_batch(list(nasty.PLAIN.values()))


def rows(result: StepResult, count: int) -> list[dict[str, Any]]:
    """A result row by row."""
    columns = {"text": result.text, **result.signals, **result.columns}
    lists = {name: values.to_pylist() for name, values in columns.items() if values is not None}
    errors = {row: [error.kind, error.detail] for row, error in result.errors.items()}
    return [{**{name: values[row] for name, values in lists.items()}, "error": errors.get(row)} for row in range(count)]


def entry(name: str) -> dict[str, Any]:
    """The digest of a step's output, with all that may change it. Floats count to six digits."""
    module, batch = step.find(name), plain_batch(name)
    found = rows(module.run(batch, config(name)), batch.num_rows)
    rounded = [{key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()} for row in found]
    digest = hashlib.sha256(json.dumps(rounded, sort_keys=True).encode()).hexdigest()
    return {"version": module.VERSION, "uses": step.versions(module.USES), "digest": digest}


def known() -> dict[str, Any]:
    """The entries on file."""
    entries: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {}
    return entries


def refusal(name: str, old: dict[str, Any] | None, new: dict[str, Any]) -> str | None:
    """Why the new entry may not replace the old one, if it may not."""
    if old is None or old["digest"] == new["digest"] or old["version"] != new["version"] or old["uses"] != new["uses"]:
        return None
    return (
        f"the output of step {name!r} has changed, its VERSION {new['version']} has not: raise it, then run {Path(__file__).name} --update"
    )


def main(arguments: list[str]) -> int:
    """Print the entries, or update the file."""
    entries = {name: entry(name) for name in step.names()}
    if "--update" not in arguments:
        sys.stdout.write(json.dumps({name: each["digest"] for name, each in entries.items()}))
        return 0
    refusals = [why for name, each in entries.items() if (why := refusal(name, known().get(name), each))]
    if refusals:
        sys.stderr.write("\n".join(refusals) + "\n")
        return 1
    FILE.write_text(json.dumps(entries, indent=2, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
