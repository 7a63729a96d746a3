"""Mends what went wrong with a text's characters on its way, and changes nothing that its writer meant.

- HTML entities that were left over, in texts that show no markup: one level, only those that end in a semicolon.
- Mojibake, UTF-8 read as something else, by ftfy (Speer 2019), line by line, where its own test finds some. A line of more than
  4,000 characters is mended in pieces of at most so many, as ftfy takes the square of the length for surrogates that were
  encoded one by one (CESU-8). It is cut behind a space that follows ASCII; where there is none, before a character that the
  first byte of a sequence is often read as; where there is none either, anywhere.
- Line breaks of other kinds become line feeds; control characters and terminal escapes go, tabs stay.
- Composed form (Unicode NFC), but for texts with more than 30 combining marks in a row.

Left alone, of what ftfy offers: curly quotes, ligatures, full-width letters.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from ftfy import TextFixerConfig, fix_text
from ftfy.badness import is_bad
from ftfy.fixes import remove_terminal_escapes

from pipeline.kernels.mojibake import CONTROL, ENTITY, MARKUP, MOJIBAKE, UNCOMPOSED, flag
from pipeline.kernels.phrases import replaced
from pipeline.kernels.whitespace import Mask, look
from pipeline.step import Bound, StepConfig, StepResult

VERSION = 3
USES = ("ftfy",)


class Config(StepConfig):
    unescape_entities: bool = True


SIGNALS = {
    "mojibake": (pa.bool_(), "whether an encoding was mended"),
    "entities": (pa.int64(), "HTML entities turned into characters"),
    "control_chars": (pa.int64(), "control characters taken out"),
}

COLUMNS: dict[str, tuple[pa.DataType, str]] = {}

BOUNDS: dict[str, Bound] = {}

ENCODING_ONLY = TextFixerConfig(
    unescape_html=False,
    remove_terminal_escapes=False,
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    fix_line_breaks=False,
    fix_surrogates=False,
    remove_control_chars=False,
    normalization=None,
    explain=False,
)
_PIECE_CHARS = 4_000
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_SOME = f".{{1,{_PIECE_CHARS}}}"
_FIRST = "(?=[Â-ôВ-ф])(?!í[°-¿])"  # of Latin-1 and Windows-1251; no second half of a pair of surrogates
_PIECE = re.compile(rf"{_SOME}\Z|{_SOME}(?<=[!-~] )|{_SOME}{_FIRST}|{_SOME}", re.DOTALL)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_LINE_BREAKS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
_CONTROLS = dict.fromkeys(
    [*range(9), *range(0x0E, 0x20), *range(0x7F, 0xA0), *range(0x206A, 0x2070), 0xFEFF, *range(0xFFF9, 0xFFFD)]
)  # fmt: skip


class _Repaired(NamedTuple):
    text: str
    mojibake: bool
    entities: int
    control_chars: int


def _unescape(text: str) -> tuple[str, int]:
    """The text without entities, and how many went; names that are none stay."""
    done = 0

    def character(match: re.Match[str]) -> str:
        nonlocal done
        meant = html.unescape(match[0])
        done += meant != match[0]
        return meant

    return _ENTITY.sub(character, text), done


def pieces(line: str) -> list[str]:
    """The line in pieces of bounded length, cut where hardly any character that was read wrongly stands."""
    found: list[str] = _PIECE.findall(line)
    return found


def _encoded_rightly(text: str) -> str:
    """The text with its mojibake mended, in time that grows as the text does."""
    lines = _LINE.findall(text)
    for place in np.flatnonzero(flag(pa.array(lines, pa.large_string())) & MOJIBAKE):
        lines[place] = "".join(fix_text(piece, ENCODING_ONLY) if is_bad(piece) else piece for piece in pieces(lines[place]))
    return "".join(lines)


def _repair(text: str, flags: int, config: Config) -> _Repaired:
    entities, control_chars, whole = 0, 0, text
    if config.unescape_entities and flags & ENTITY and not flags & MARKUP:
        text, entities = _unescape(text)
    encoded = text
    if entities or flags & MOJIBAKE:
        text = _encoded_rightly(text)
    mojibake = text != encoded
    if flags & CONTROL or text is not whole:
        text = _LINE_BREAKS.sub("\n", remove_terminal_escapes(text))
        kept = text.translate(_CONTROLS)
        text, control_chars = kept, len(text) - len(kept)
    return _Repaired(text, mojibake, entities, control_chars)


def _composed(text: pa.Array, rows: Mask) -> pa.Array:
    """Those rows in composed form, but for texts in which that would take the square of the time."""
    rows = rows.copy()
    rows[rows] = look(text.filter(pa.array(rows)), keep_indentation=True, max_blank_lines=0).uncomposed
    composed = [unicodedata.normalize("NFC", text[row].as_py()) for row in np.flatnonzero(rows)]
    return replaced(text, rows, pa.array(composed, text.type))


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    """The mended texts; nothing fails."""
    text = batch["text"]
    flags = flag(text)
    doubtful = (flags & (CONTROL | MOJIBAKE) != 0) | (flags & (ENTITY | MARKUP) == ENTITY)
    rows = np.flatnonzero(doubtful)
    repaired = [_repair(text[row].as_py(), int(flags[row]), config) for row in rows]
    counts = np.zeros((3, len(text)), np.int64)
    counts[:, rows] = np.array([each[1:] for each in repaired], np.int64).reshape(-1, 3).T
    mended = replaced(text, doubtful, pa.array([each.text for each in repaired], text.type))
    mended = _composed(mended, doubtful | (flags & UNCOMPOSED != 0))
    signals = {"mojibake": pa.array(counts[0] != 0), "entities": pa.array(counts[1]), "control_chars": pa.array(counts[2])}
    return StepResult(text=mended, signals=signals)
