"""Byte-level BPE tokenizers: trained on a corpus or taken as they are, encoding, and the report on how well they fit.

Byte-pair encoding: Sennrich et al. 2016; over bytes, behind a split pattern: Radford et al. 2019 (GPT-2). All 256 bytes
are entries, so that any text survives encoding and decoding. `docs/tokenizers.md` says what can be set, and what engines cost.
"""

from pipeline.tokenizer.config import END_OF_TEXT, TokenizerConfig
from pipeline.tokenizer.encoder import Encoder, encode, load
from pipeline.tokenizer.patterns import PATTERNS
from pipeline.tokenizer.report import report
from pipeline.tokenizer.sample import SPLITS, Document, Draw
from pipeline.tokenizer.training import train
from pipeline.tokenizer.version import build

__all__ = [
    "END_OF_TEXT",
    "PATTERNS",
    "SPLITS",
    "Document",
    "Draw",
    "Encoder",
    "TokenizerConfig",
    "build",
    "encode",
    "load",
    "report",
    "train",
]
