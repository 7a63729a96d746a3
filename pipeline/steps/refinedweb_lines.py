"""Lines that are a page's furniture go, and a text that loses too many of its words by it is told by that share.

Penedo et al. 2023, "The RefinedWeb Dataset for Falcon LLM" (arXiv:2306.01116), appendix G.2. A line is dropped that is mainly
of capitals, or of digits alone, or a counter ("3 likes"), or one word; out of a short line, phrases of navigation are cut.
The paper names one phrase for each place; more are a setting. Lines are parted by "\\n", words by white space, and blank
lines stay.
"""

from __future__ import annotations

from typing import Annotated

import pyarrow as pa
from pydantic import Field

from pipeline.kernels.refinedweb import Count, Rules, apply_rules
from pipeline.kernels.rows import share
from pipeline.step import Bound, StepConfig, StepResult

VERSION = 1
USES: tuple[str, ...] = ()

Phrases = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False)]

_COUNTED = (
    "like", "likes", "share", "shares", "comment", "comments", "retweet", "retweets", "repost", "reposts", "quote", "quotes",
    "bookmark", "bookmarks", "upvote", "upvotes", "downvote", "downvotes", "download", "downloads", "view", "views",
    "follower", "followers",
)  # fmt: skip


class Config(StepConfig):
    max_uppercase_ratio: float = 0.5  # of a line's characters
    min_words: int = 2
    counted: Phrases = _COUNTED  # what a counter counts, these and the next in any case
    max_edited_words: int = 10  # lines of more are left as they are
    at_start: Phrases = ("sign-in",)
    anywhere: Phrases = ("items in cart",)
    at_end: Phrases = ("read more...",)


_COUNTS = {
    "uppercase_lines": (Count.UPPERCASE, "lines dropped for their capitals"),
    "numeric_lines": (Count.NUMERIC, "lines dropped for being digits alone"),
    "counter_lines": (Count.COUNTER, "lines dropped for being a counter"),
    "one_word_lines": (Count.ONE_WORD, "lines dropped for having fewer than `min_words` words"),
    "edited_lines": (Count.EDITED, "lines that a phrase was cut out of"),
}

SIGNALS = {
    **{name: (pa.int64(), meaning) for name, (_, meaning) in _COUNTS.items()},
    "removed_word_ratio": (pa.float64(), "share of the text's words that went with the lines and phrases"),
}

BOUNDS = {"removed_word_ratio": Bound(max=0.05)}


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    """What is left of each text; nothing fails."""
    rules = Rules(
        config.max_uppercase_ratio,
        config.min_words,
        config.counted,
        config.max_edited_words,
        config.at_start,
        config.anywhere,
        config.at_end,
    )
    text, counts = apply_rules(batch["text"], rules)
    signals = {name: pa.array(counts[:, column]) for name, (column, _) in _COUNTS.items()}
    words, left = counts[:, Count.WORDS], counts[:, Count.WORDS_LEFT]
    return StepResult(text=text, signals={**signals, "removed_word_ratio": pa.array(share(words - left, words))})
