"""What the kernels know of each Unicode character: a table of bits by code point.

The word rules are those of spaCy's English tokenizer (explosion/spaCy, `lang/punctuation.py` and `lang/char_classes.py`),
whose letters are those of the scripts listed here; its icons are Unicode's category "Symbol, other".
"""

# ruff: noqa: RUF001  # the tables are of these very characters

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.kernels import kernel
from pipeline.kernels.strings import Bytes, Counts, decode, strings

Kinds = npt.NDArray[np.uint32]

SPACE = np.uint32(1)  # str.isspace
LETTER = np.uint32(1 << 1)  # str.isalpha
MARK = np.uint32(1 << 2)  # the punctuation of the Gopher filters: a word of these alone is a symbol
UPPER = np.uint32(1 << 3)  # of a script that the word rules know; scripts without case count as both
LOWER = np.uint32(1 << 4)
ALPHA = np.uint32(1 << 5)
DIGIT = np.uint32(1 << 6)  # 0 to 9
PREFIX = np.uint32(1 << 7)  # split off at a word's start
SUFFIX = np.uint32(1 << 8)  # split off at a word's end
INFIX = np.uint32(1 << 9)  # always split within a word
QUOTE = np.uint32(1 << 10)
BEFORE_DOT = np.uint32(1 << 11)  # a full stop after it is a word of its own
CURRENCY = np.uint32(1 << 12)
HOST = np.uint32(1 << 13)  # in the labels of a URL's host
HYPHEN = np.uint32(1 << 14)
TERMINAL = np.uint32(1 << 15)  # ends a sentence, in any script
SCHEME = np.uint32(1 << 16)  # in the scheme of a URL
DECIMAL = np.uint32(1 << 17)  # str.isdecimal
CAPITAL = np.uint32(1 << 18)  # str.isupper
PUNCTUATION = np.uint32(1 << 19)  # of Unicode's categories for punctuation
SENTENCE_END = np.uint32(1 << 20)  # ends a sentence for spaCy's `Sentencizer`: `TERMINAL` but for some rare scripts
SIMPLIFIED = np.uint32(1 << 21)  # Chinese characters that GB 2312 has and Big5 has not
TRADITIONAL = np.uint32(1 << 22)  # the reverse
UNSPACED = np.uint32(1 << 23)  # of a script that puts no spaces between words

_CASED = """41-5A 61-7A C0-D6 D8-F6 F8-1BF 1C4-2AF 386 388-38A 38C 38E-38F 391-3A9 3AC-3AF 3B1-3C9 3CC-3CE 400-401 403-40A
40C-40D 410-451 453-45A 45C-45D 490-491 496-497 4A2-4A3 4AE-4AF 4BA-4BB 4D8-4D9 4E8-4E9 1D00-1D25 1D6B-1D77 1D79-1D9A
1E00-1EFF 2C60-2C7B 2C7E-2C7F A722-A76F A771-A787 A78B-A78E A790-A7B9 A7FA AB30-AB5A AB60-AB64 FF21-FF3A FF41-FF5A"""
_UNCASED = """591-5F4 620-64A 66E-6D5 6E5-6FF 750-77F 8A0-8BD 900-9FF B80-CFF D80-DFF 1100-137F 2E80-2FDF 2FF0-30FF 31C0-31EF
3200-4DBF 4E00-9FFF AC00-D7AF F900-FAFF FB1D-FBB1 FBD3-FD3D FD50-FDC7 FDF0-FDFB FE30-FE4F FE70-FEFC 1EE00-1EEBB 1F200-1F2FF
20000-2A6DF 2A700-2EBEF 2F800-2FA1F"""

_PUNCTUATION = "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪"
_QUOTES = "'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉⟦⟧\u2329\u232a"
_CURRENCIES = "$£€¥฿₽﷼₴" + "".join(map(chr, range(0x20A0, 0x20C0)))
_HYPHENS = "-–—~"
_TERMINALS = """21 2E 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 166E 1735-1736 17D4-17D6
17D9-17DA 1803 1809 1944-1945 1AA8-1AAB 1B5A-1B5B 1B5E-1B5F 1B7D-1B7E 1C3B-1C3C 1C7E-1C7F 203C-203D 2047-2049 2E2E 2E3C
2E53-2E54 3002 A4FF A60E-A60F A6F3 A6F7 A876-A877 A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE52 FE56-FE57 FF01 FF0E
FF1F FF61 10A56-10A57 10F55-10F59 10F86-10F89 11047-11048 110BE-110C1 11141-11143 111C5-111C6 111CD 111DE-111DF 11238-11239
1123B-1123C 112A9 1144B-1144C 115C2-115C3 115C9-115D7 11641-11642 1173C-1173E 11944 11946 11A42-11A43 11A9B-11A9C 11C41-11C42
11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5 16B37-16B38 16B44 16E98 1BC9F 1DA88"""
_NO_SENTENCE_END = """61D-61E 837-839 83D-83E 17D4-17D6 17D9-17DA 1B7D-1B7E 2E53-2E54 10F55-10F59 10F86-10F89 11944 11946 11EF7-11EF8
11F43-11F44 16E98"""
_GOPHER_MARKS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~«´»–—’“”„…∶━►、。〈〉《》「」【】！％（），．１：；？～" + "".join(
    map(chr, (*range(9), 11, 12, *range(13, 32), *range(127, 160)))
)
_CODE_POINTS = 0x110000
_HAN = "4E00-9FFF"
# Thai and Lao; Burmese; Khmer; kana and Bopomofo; Han; kana of half width and later ones; Han of the planes above.
_UNSPACED = """E00-EFF 1000-109F A9E0-A9FE AA60-AA7F 1780-17FF 3005-3007 3040-30FA 30FC-312F 31A0-31BF 31F0-31FF 3400-4DBF 4E00-9FFF
F900-FAFF FF66-FF9F 1AFF0-1B16F 20000-3FFFF"""
_SYMBOLS_END = 0x20000  # no plane above the first two holds a symbol or a punctuation mark


def _where(ranges: str) -> npt.NDArray[np.bool_]:
    chosen = np.zeros(_CODE_POINTS, np.bool_)
    for entry in ranges.split():
        first, _, last = entry.partition("-")
        chosen[int(first, 16) : int(last or first, 16) + 1] = True
    return chosen


def _mark(kinds: Kinds, characters: str, kind: np.uint32) -> None:
    kinds[[ord(character) for character in characters]] |= kind


def _of_category(category: str) -> str:
    return "".join(character for character in map(chr, range(_SYMBOLS_END)) if unicodedata.category(character).startswith(category))


def _han_of(charset: str) -> npt.NDArray[np.bool_]:
    """Which characters of Unicode's first block of Chinese ones a charset of two bytes has."""
    pairs = bytes(byte for first in range(0xA1, 0xFF) for second in range(0x40, 0xFF) for byte in (first, second, 0x0A))
    chosen = np.zeros(_CODE_POINTS, np.bool_)
    chosen[[ord(character) for line in pairs.splitlines() for character in line.decode(charset, "ignore")]] = True
    return chosen & _where(_HAN)


@cache
def kinds() -> Kinds:
    """The bits of every code point, `uint32`; as long as the largest number that four bytes can spell, valid or not."""
    every = np.arange(_CODE_POINTS, dtype=np.uint32).view("U1")
    room = np.zeros(1 << 21, np.uint32)
    table = room[:_CODE_POINTS]
    table[np.strings.isspace(every)] |= SPACE
    table[np.strings.isalpha(every)] |= LETTER
    cased, uncased = _where(_CASED), _where(_UNCASED)
    lower, upper = np.strings.islower(every), np.strings.isupper(every)
    table[cased | uncased] |= ALPHA
    table[uncased | (cased & lower)] |= LOWER | BEFORE_DOT
    table[uncased | (cased & upper)] |= UPPER
    icons = _of_category("So")
    _mark(table, "0123456789", DIGIT | BEFORE_DOT)
    _mark(table, _GOPHER_MARKS, MARK)
    table[_where(_TERMINALS)] |= TERMINAL | MARK
    _mark(table, _PUNCTUATION + _QUOTES + icons + "—–", PREFIX | SUFFIX)
    _mark(table, "§%=" + _CURRENCIES, PREFIX)
    _mark(table, icons + "…", INFIX)
    _mark(table, _QUOTES, QUOTE)
    _mark(table, _PUNCTUATION + _QUOTES + "%²-+|", BEFORE_DOT)
    _mark(table, _CURRENCIES, CURRENCY)
    _mark(table, _HYPHENS, HYPHEN)
    table[np.strings.isalnum(every)] |= SCHEME
    _mark(table, "_+-.", SCHEME)
    table[np.strings.isdecimal(every)] |= DECIMAL
    table[upper] |= CAPITAL
    _mark(table, _of_category("P"), PUNCTUATION)
    table[_where(_TERMINALS) & ~_where(_NO_SENTENCE_END)] |= SENTENCE_END
    table[_where(_UNSPACED)] |= UNSPACED
    simplified, traditional = _han_of("gb2312"), _han_of("big5")
    table[simplified & ~traditional] |= SIMPLIFIED
    table[traditional & ~simplified] |= TRADITIONAL
    table[_where("30-39 41-5A 61-7A A1-FFFF")] |= HOST
    room.flags.writeable = False
    return room


@kernel
def _count(offsets: Counts, data: Bytes, kinds: Kinds, kind: int, most: int, out: Counts) -> None:
    for row in range(len(out)):
        count, i = 0, offsets[row]
        while i < offsets[row + 1] and count < most:
            point, width = decode(data, i)
            count += kinds[point] & kind != 0
            i += width
        out[row] = count


def count(array: pa.Array, kind: np.uint32, most: int = np.iinfo(np.int64).max) -> Counts:
    """How many characters of a kind each string has; it is read until there are `most`."""
    out = np.empty(len(array), np.int64)
    _count(*strings(array), kinds(), int(kind), most, out)
    return out
