"""The words of a text as Python strings."""

from __future__ import annotations

import pyarrow as pa

from pipeline.kernels.words import words


def words_of(text: str) -> list[str]:
    """The words that the kernel finds."""
    found, data = words(pa.array([text])), text.encode()
    return [data[start:end].decode() for start, end in zip(found.starts.tolist(), found.ends.tolist(), strict=True)]
