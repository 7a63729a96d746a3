"""What a tokenizer is to be: trained so, or taken from where it lies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainSerializer, ValidationInfo, model_validator

from pipeline.step import Strict, digest

END_OF_TEXT = "<|endoftext|>"  # begins every document, and so ends the one before it
TOKENIZER, SETTINGS = "tokenizer.json", "tokenizer_config.json"  # the files of a folder that transformers opens
TAKEN = ("from", "beginning", "sample_mb", "seed")  # what can be said of a tokenizer that is there


def _existing(path: str, info: ValidationInfo) -> str:
    found = Path(info.context["folder"] if info.context else ".", path)
    if not (found / TOKENIZER if found.is_dir() else found).is_file():
        raise ValueError(f"expected a tokenizer.json that exists, or a folder with one, not {path!r}")
    return str(found)


def files(path: str) -> dict[str, Path]:
    """The files that make a tokenizer, by their names in a folder; the second need not be there."""
    found = Path(path)
    places = {name: found / name for name in (TOKENIZER, SETTINGS)} if found.is_dir() else {TOKENIZER: found}
    return {name: place for name, place in places.items() if place.is_file()}


def _digests(path: str | None) -> dict[str, str] | None:
    return None if path is None else {name: digest(place) for name, place in files(path).items()}


# A tokenizer that is there, relative to the recipe's folder: fingerprints see what its files hold, never where they lie.
Taken = Annotated[str, AfterValidator(_existing)]
Weights = Mapping[str, Annotated[float, Field(gt=0, allow_inf_nan=False, strict=False)]]


class TokenizerConfig(Strict):
    """What a tokenizer is trained to be, and on how much; or where one lies that is taken as it is."""

    vocabulary: Annotated[int, Field(ge=257, le=2**20)] = 8192  # entries at most: the 256 bytes and all special tokens included
    multiple: Annotated[int, Field(ge=1, le=4096)] = 1  # entries that stand for nothing are added until their number is one of this
    pattern: Literal["gpt2", "gpt4", "o200k", "llama3", "qwen2", "qwen3_5"] = "gpt4"
    digits: Literal[1, 2, 3] | None = None  # that may be in one entry; as the pattern's publisher has it unless told
    special_tokens: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False)] = ()  # beside `<|endoftext|>`
    sample_mb: Annotated[int, Field(ge=1)] = 100  # text drawn from each split: to train on from `train`, to report on from all; 10^6 bytes
    sources: Weights = Field(default_factory=dict)  # shares of the training sample's bytes; what is not named has none
    languages: Weights = Field(default_factory=dict)  # the same by language; without a table, in proportion to the corpus
    seed: Annotated[int, Field(ge=0, lt=2**64)] = 0  # of the draw
    from_: Annotated[Taken | None, PlainSerializer(_digests, when_used="json")] = Field(default=None, alias="from")
    beginning: str | None = None  # the entry of a tokenizer taken from elsewhere that begins a document

    @model_validator(mode="after")
    def _one_way(self) -> TokenizerConfig:
        given = {field.alias or name for name, field in type(self).model_fields.items() if name in self.model_fields_set}
        if self.from_ is not None and (others := sorted(given - set(TAKEN))):
            raise ValueError(f"expected no `{others[0]}` beside `from`: that tokenizer is taken as it is")
        if self.from_ is None and self.beginning is not None:
            raise ValueError("expected `beginning` beside `from` alone: what is trained here begins with <|endoftext|>")
        return self

    @model_validator(mode="after")
    def _named_once(self) -> TokenizerConfig:
        if len({END_OF_TEXT, *self.special_tokens}) <= len(self.special_tokens):
            raise ValueError(f"expected special tokens that differ from each other and from {END_OF_TEXT}")
        if self.vocabulary < 257 + len(self.special_tokens):
            raise ValueError(f"expected a vocabulary of at least {257 + len(self.special_tokens)}: 256 bytes and the special tokens")
        return self
