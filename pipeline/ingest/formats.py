"""What a file's name says of it: the format that its last suffix stands for, behind that of its packing."""

from __future__ import annotations

from pathlib import PurePath

FORMATS = {
    **dict.fromkeys((".warc", ".wet"), "warc"),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), "jsonl"),
    **dict.fromkeys((".csv", ".tsv"), "csv"),
    **dict.fromkeys((".arrow", ".feather"), "arrow"),
    ".parquet": "parquet",
}
_PACKED = (".gz", ".zst")


def suffix(name: str) -> str:
    """The suffix that tells what a file is, in lower case, without those of packing; empty where there is none."""
    return next((each for each in reversed(PurePath(name.lower()).suffixes) if each not in _PACKED), "")


def settings(name: str) -> dict[str, str] | None:
    """`format` and `delimiter` of a source whose file has such a name; None where it tells of no table, no lines and no WARC."""
    found = suffix(name)
    return {"format": FORMATS[found], "delimiter": "\t" if found == ".tsv" else ","} if found in FORMATS else None
