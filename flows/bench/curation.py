"""Every step that works on a text, one behind the other, beside datatrove's four filters alone: MB of text a second, one core."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from flows.bench import filters, peer
from flows.bench.filters import BYTES, Chain
from flows.bench.result import Result
from flows.bench.texts import extracted

BAD_WORDS, RECORDS, RECORD_WORDS, DOMAINS, WORD_CHARS = 400, 2_000, 30, 10_000, 12


def beside_datatrove() -> Result:
    """English texts, with lists of bad words, domains and evaluation records that were made up."""
    peer.expect()
    texts = extracted(peer.warcs(), BYTES, "en")
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    with tempfile.TemporaryDirectory() as folder:
        chain = _chain(Path(folder))
        before, peer_s, after = filters.seconds(texts, chain), filters.peer_seconds(texts), filters.seconds(texts, chain)
    ours, theirs = 2 * megabytes / (before + after), megabytes / peer_s
    note = f"{len(chain)} steps over {len(texts)} English texts of {megabytes:.1f} MB, by CPU time; the peer's four filters alone"
    return Result("curation_chain", "MB/s", round(ours, 2), round(theirs, 3), "datatrove", round(ours / theirs, 1), note)


def _chain(folder: Path) -> Chain:
    """What measures comes before what takes lines out."""
    return (
        ("repair", {}),
        ("normalize_whitespace", {}),
        ("language", {}),
        ("url_blocklist", {"domains": _list(folder / "domains.txt", (f"{word}.example" for word in _words(DOMAINS)))}),
        ("gopher_repetition", {}),
        ("gopher_quality", {}),
        ("fineweb_quality", {}),
        ("text_statistics", {}),
        ("bad_words", {"lists": {"en": _list(folder / "bad_words.txt", _words(BAD_WORDS))}}),
        ("contamination", {"benchmarks": {"quiz": _list(folder / "records.txt", _records())}}),
        ("personal_data", {}),
        ("mask_personal_data", {}),
        ("c4_lines", {"terminal": False}),
        ("refinedweb_lines", {}),
    )


def _list(path: Path, lines: Iterable[str]) -> str:
    path.write_text("\n".join(lines))
    return str(path)


def _words(count: int) -> list[str]:
    """Words that nobody has written."""
    letters = np.random.default_rng(1).integers(ord("a"), ord("z") + 1, (count, WORD_CHARS), np.uint8)
    return [row.tobytes().decode() for row in letters]


def _records() -> Iterator[str]:
    known, draw = np.array(_words(1_000)), np.random.default_rng(2)
    return (" ".join(draw.choice(known, RECORD_WORDS)) for _ in range(RECORDS))
