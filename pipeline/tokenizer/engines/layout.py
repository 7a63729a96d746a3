"""What a tokenizer.json says, where it is byte-level BPE behind one split pattern: what faster engines are built from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pipeline.tokenizer.encoder import Encoder
from pipeline.tokenizer.patterns import PATTERNS


class InexpressibleError(ValueError):
    """An engine cannot give this tokenizer's tokens; the message says what it lacks."""


@dataclass(frozen=True)
class Layout:
    """`merges` in order of priority; `vocabulary` is the entry of each text in the byte alphabet, without special tokens."""

    pattern: str
    vocabulary: dict[str, int]
    merges: list[tuple[str, str]]
    whole_first: bool  # a piece that is an entry is that entry, whatever the merges say


def byte_alphabet() -> dict[str, int]:
    """The byte that each character of an entry stands for (GPT-2, Radford et al. 2019): itself where it prints, else from U+0100 up."""
    prints = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in prints]
    return {chr(byte): byte for byte in prints} | {chr(0x100 + place): byte for place, byte in enumerate(others)}


def layout(encoder: Encoder) -> Layout:
    """`InexpressibleError` where the tokenizer does anything besides splitting and merging."""
    found = json.loads(encoder.tokenizer.to_str())
    model = found["model"]
    if found["normalizer"] is not None:
        raise InexpressibleError("it changes the text first (a normalizer)")
    if model["type"] != "BPE" or any(
        model.get(key) for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback")
    ):
        raise InexpressibleError("it is no plain byte-pair encoding")
    if plain := [token["content"] for token in found["added_tokens"] if not token["special"]]:
        raise InexpressibleError(f"it has an added entry that is found in texts: {plain[0]!r}")
    special = {token["content"] for token in found["added_tokens"]}
    vocabulary = {entry: number for entry, number in model["vocab"].items() if entry not in special}
    if not set(byte_alphabet()) <= set(vocabulary):
        raise InexpressibleError("it has no entry for some byte")
    merges = [(left, right) for left, right in (pair if isinstance(pair, list) else pair.split(" ") for pair in model["merges"])]
    return Layout(_pattern(found["pre_tokenizer"]), vocabulary, merges, bool(model.get("ignore_merges")))


def _pattern(cut: dict[str, Any] | None) -> str:
    """The pattern of a split into pieces, each of which is then bytes."""
    parts: list[dict[str, Any]] = [] if cut is None else cut["pretokenizers"] if cut["type"] == "Sequence" else [cut]
    if not parts or parts[-1]["type"] != "ByteLevel" or parts[-1]["add_prefix_space"]:
        raise InexpressibleError("it does not cut the text as byte-level tokenizers do")
    *splits, last = parts
    if not splits and last["use_regex"]:
        return PATTERNS["gpt2"]
    if len(splits) != 1 or last["use_regex"] or splits[0]["type"] != "Split":
        raise InexpressibleError("it cuts the text more than once")
    split = splits[0]
    if split["behavior"] != "Isolated" or split["invert"] or "Regex" not in split["pattern"]:
        raise InexpressibleError("it cuts the text by something else than a pattern of pieces")
    pattern: str = split["pattern"]["Regex"]
    return pattern
