"""The planted faults held against what the catalog says became of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from dashboards import query
from flows.demo.faults import FAULTS, Fault, Seen, disagreements
from pipeline.store import Store

_SEEN = """
SELECT log.url, log.outcome, log.status, fates.kept, fates.rule, fates.similarity, twins.url AS twin, texts.text
FROM crawl_log AS log
LEFT JOIN records ON records.url = log.url AND log.outcome = 'fetched'
LEFT JOIN fates ON fates.doc_id = records.doc_id
LEFT JOIN records AS twins ON twins.doc_id = fates.duplicate_of
LEFT JOIN texts ON texts.doc_id = records.doc_id
WHERE log.crawl = 'site'
"""


@dataclass(frozen=True)
class Verdict:
    """One fault: what happened in a few words, and where that is not what should have."""

    fault: Fault
    actual: str
    wrong: list[str]


def verdicts(store: Store) -> list[Verdict]:
    """One verdict for each planted fault."""
    seen = {_path(row["url"]): _seen(row) for row in query.run(store, _SEEN).to_pylist()}
    return [Verdict(fault, _actual(fault, seen), disagreements(fault, seen)) for fault in FAULTS]


def _path(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _seen(row: dict[str, Any]) -> Seen:
    twin = row["twin"]
    return Seen(row["outcome"], row["status"], row["kept"], row["rule"], _path(twin) if twin else None, row["similarity"], row["text"])


def _actual(fault: Fault, seen: dict[str, Seen]) -> str:
    """The fates of a fault's pages, each once."""
    matched = [each for path in fault.paths for at, each in seen.items() if at == path or (path.endswith("*") and at.startswith(path[:-1]))]
    if fault.expected.fate == "absent":
        matched = [each for each in matched if each.outcome == fault.expected.outcome] or matched
    return ", ".join(dict.fromkeys(_in_words(each) for each in matched)) or "never seen"


def _in_words(seen: Seen) -> str:
    if seen.kept is None:
        return f"not kept by the crawl: {seen.outcome}" + (f" {seen.status}" if seen.status else "")
    if seen.kept:
        return "kept"
    return f"{seen.rule}" + (f" at {seen.similarity:.2f}" if seen.similarity is not None else "")
