"""The settings of deduplication."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.step import Strict

_BEST = re.compile(r"(highest|lowest) (\S+)")
Same = Literal["url", "bytes", "text"]


class NearConfig(Strict):
    """When two documents are near-duplicates, and how pairs are proposed for the check.

    `bands` and `rows` are chosen from `similarity` by `false_negative_weight` unless both are given: `bands` groups of
    `rows` signature values each, of which one must agree in full for a pair to be looked at.
    """

    similarity: Annotated[float, Field(gt=0, le=1)] = 0.8  # Jaccard of the two sets of shingles; this much or more is a duplicate
    shingle_words: Annotated[int, Field(ge=1)] = 5
    permutations: Annotated[int, Field(ge=1, le=1024)] = 128  # values in a signature
    # What a missed pair weighs against one that is verified in vain; the two weights add up to 1. A vain check costs
    # microseconds and never a document, hence the bias.
    false_negative_weight: Annotated[float, Field(gt=0, lt=1)] = 0.999
    bands: Annotated[int, Field(ge=1)] | None = None
    rows: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1  # of the permutations

    @model_validator(mode="after")
    def _bands_fit(self) -> NearConfig:
        if (self.bands is None) != (self.rows is None):
            raise ValueError("expected both `bands` and `rows`, or neither")
        if self.bands is not None and self.rows is not None and self.bands * self.rows > self.permutations:
            raise ValueError(f"expected bands x rows of at most `permutations`, {self.permutations}, not {self.bands} x {self.rows}")
        return self


class HostLinesConfig(Strict):
    """Which lines are a host's own (menus, footers, notes on cookies) and are cut from all its pages.

    A page that came in more than once, by its URL or by its text, counts once.
    """

    min_pages: Annotated[int, Field(ge=2)] = 5  # of a host that a line stands on
    min_share: Annotated[float, Field(ge=0, le=1)] = 0.1  # of the host's pages
    min_chars: Annotated[int, Field(ge=1)] = 3  # letters and digits, a number being one; shorter lines stay
    keep_first: bool = False  # whether the line stays on the page that comes first


class LinesConfig(Strict):
    """Which lines stand in several documents of the corpus and are cut. Documents of one text count as one."""

    min_pages: Annotated[int, Field(ge=2)] = 2  # that a line stands on
    min_share: Annotated[float, Field(ge=0, le=1)] = 0.0  # of all documents
    min_chars: Annotated[int, Field(ge=1)] = 40  # letters and digits, a number being one; shorter lines stay
    keep_first: bool = True  # whether the line stays in the document that comes first


class SubstringsConfig(Strict):
    """Which runs of bytes are repeats and are cut, wherever in a line they begin and end. Documents of one text count as one."""

    min_bytes: Annotated[int, Field(ge=8, le=2**20)] = 200  # of UTF-8, some 50 tokens of English; shorter repeats stay
    keep_first: bool = True  # whether a run stays in its first place
    drop_share: Annotated[float, Field(gt=0, le=1)] = 1.0  # of a document's bytes; one of which more is cut is dropped


class ExactConfig(Strict):
    """In what one document is another one again: its page's address, the bytes that came in, its text but for how that is spaced."""

    by: Annotated[tuple[Same, ...], Field(strict=False, min_length=1)] = ("text",)
    url_keeps: Literal["newest", "preferred"] = "newest"  # of the editions of a page: the one fetched last, or as other copies


class DedupConfig(Strict):
    """Which duplicates are dropped, and which copy of several is kept."""

    host_lines: HostLinesConfig | Literal[False] = False  # cut before documents are compared
    lines: LinesConfig | Literal[False] = False  # the same, after `host_lines`
    substrings: SubstringsConfig | Literal[False] = False  # the same, after `lines`
    exact: ExactConfig | Literal[False] = ExactConfig()
    near: NearConfig | Literal[False] = NearConfig()
    against: Annotated[tuple[str, ...], Field(strict=False)] = ()  # finished corpora of the same root, oldest first: what they have goes
    prefer_sources: Annotated[
        tuple[str, ...], Field(strict=False)
    ] = ()  # the first named wins over later ones, and all named over the rest
    prefer: str = "longest"  # among copies of equally preferred sources: or oldest, newest, `highest SIGNAL`, `lowest SIGNAL`
    max_duplicate_share: Annotated[float, Field(gt=0, le=1)] = 0.9  # of a source's or a language's; one that loses more stops the run
    allow_loss: Annotated[tuple[str, ...], Field(strict=False)] = ()  # sources and languages that may lose more

    @field_validator("prefer")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in ("longest", "oldest", "newest") and not _BEST.fullmatch(value):
            raise ValueError(f"expected longest, oldest, newest, or a signal by its column: `highest …` or `lowest …`, not {value!r}")
        return value

    @property
    def signal(self) -> str | None:
        """The column of the signal that `prefer` names."""
        found = _BEST.fullmatch(self.prefer)
        return found[2] if found else None

    @property
    def signing(self) -> NearConfig:
        """The terms of signatures, which are kept for other recipes where near-duplicates are not sought, and of the split's shingles."""
        return self.near or NearConfig()

    @property
    def cuts(self) -> bool:
        """Whether anything is cut from texts because others have it too."""
        return bool(self.host_lines or self.lines or self.substrings)
