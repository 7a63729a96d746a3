"""Text as it was meant: mojibake undone (ftfy, Speer 2019), Unicode composed (NFC), control characters gone.

ftfy looks only at texts that its own test calls bad: that test costs a third of the repair and passes clean text. Of its
repairs those that undo an accident are on; those that change what an author may have meant (curly quotes, ligatures, full
width) are off.
"""

from __future__ import annotations

import unicodedata

import ftfy
import pyarrow as pa
from ftfy.badness import is_bad

from pipeline.step import Bound, StepConfig, StepResult

VERSION = 1
USES = ("ftfy",)

_FIXES = ftfy.TextFixerConfig(
    unescape_html=False,  # an extractor has done so; what is left is an author's example
    remove_terminal_escapes=True,
    uncurl_quotes=False,
    fix_latin_ligatures=False,
    fix_character_width=False,
    fix_line_breaks=True,
    normalization="NFC",
    explain=False,
)
_KEPT_CONTROLS = "\n\t"
_CONTROLS = {code: None for code in (*range(0x20), *range(0x7F, 0xA0), 0xFEFF) if chr(code) not in _KEPT_CONTROLS} | {0x85: "\n"}


class Config(StepConfig):
    mojibake: bool = True  # whether it is looked for


SIGNALS = {
    "mended": (pa.bool_(), "whether mojibake was found and undone"),
    "changed_chars": (pa.int64(), "how many characters shorter or longer the text became"),
}

COLUMNS: dict[str, tuple[pa.DataType, str]] = {}

BOUNDS: dict[str, Bound] = {}


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    """Repair each text; nothing fails."""
    before = batch["text"].to_pylist()
    after = [_repaired(text, config) for text in before]
    changes = [abs(len(new) - len(old)) for (new, _), old in zip(after, before, strict=True)]
    return StepResult(
        text=pa.array([text for text, _ in after], pa.string()),
        signals={"mended": pa.array([mended for _, mended in after], pa.bool_()), "changed_chars": pa.array(changes, pa.int64())},
    )


def _repaired(text: str, config: Config) -> tuple[str, bool]:
    """The text, and whether mojibake was undone in it."""
    if text.isascii():
        return _controls_gone(text), False
    bad = config.mojibake and is_bad(text)
    mended = ftfy.fix_text(text, _FIXES) if bad else unicodedata.normalize("NFC", text)
    return _controls_gone(mended), bad and mended != unicodedata.normalize("NFC", text)


def _controls_gone(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if text.isprintable() else text.translate(_CONTROLS)
