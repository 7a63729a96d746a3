"""How text is cut before bytes are merged: patterns as published, and how many digits stay together.

`gpt2`: Radford et al. 2019, written shorter as tiktoken does. `gpt4`: OpenAI's cl100k_base. `o200k`: OpenAI's o200k_base
(GPT-4o). `llama3`: Grattafiori et al. 2024, who took over cl100k's. `qwen2`: Qwen 2 to 3 (Yang et al. 2024), digits one by one.
`qwen3_5`: Qwen 3.5, where combining marks belong to words.
"""

from __future__ import annotations

_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_BLANKS = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_SIGNS = r" ?[^\s\p{L}\p{N}]+[\r\n]*"
_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_GPT4 = "|".join([_CONTRACTIONS, _WORDS, r"\p{N}{1,3}", _SIGNS, _BLANKS])

PATTERNS = {
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "gpt4": _GPT4,
    "llama3": _GPT4,
    "o200k": "|".join(
        [
            rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_CONTRACTIONS}?",
            rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_CONTRACTIONS}?",
            r"\p{N}{1,3}",
            r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
            _BLANKS,
        ]
    ),
    "qwen2": "|".join([_CONTRACTIONS, _WORDS, r"\p{N}", _SIGNS, _BLANKS]),
    "qwen3_5": "|".join(
        [_CONTRACTIONS, r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+", r"\p{N}", r" ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*", _BLANKS],
    ),
}


def pattern(name: str, digits: int | None) -> str:
    """A pattern of `PATTERNS`, with at most so many digits in a piece; None leaves it as published."""
    published = PATTERNS[name]
    if digits is None:
        return published
    wanted = r"\p{N}" if digits == 1 else rf"\p{{N}}{{1,{digits}}}"
    for digits_as_published in (r"|\p{N}{1,3}|", r"|\p{N}|"):
        published = published.replace(digits_as_published, f"|{wanted}|")
    return published.replace(r"| ?\p{N}+|", f"| ?{wanted}|")
