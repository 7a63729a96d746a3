"""In what a document can be another one again, besides its text: the bytes that came in, and the page's own address.

An address is compared in one spelling (`pipeline.crawl.urls`). Where a page gives another as its own (RFC 6596), that one counts
if it is on the page's host and is not the host's front page: templates name that on all their pages.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from xxhash import xxh3_128_digest

from pipeline.crawl.urls import Url, normalise
from pipeline.dedup.exact import Digests

VERSION = 1
USES = ("ada-url",)
CANONICAL = "canonical_url"  # the column of texts in which a page says which address is its own

_FRONT = "/"


class Marks(NamedTuple):
    """Equal digests where documents are the same; that of one that is not `known` means nothing."""

    digests: Digests
    known: npt.NDArray[np.bool_]


def joined(parts: Iterable[Marks]) -> Marks:
    """The marks of several runs of documents, one after another."""
    nothing = Marks(np.empty((0, 2), np.uint64), np.empty(0, np.bool_))
    return Marks(*(np.concatenate(column) for column in zip(nothing, *parts, strict=True)))


def of_digests(digests: pa.ChunkedArray) -> Marks:
    """Marks from the column `digest` of `schema.RECORDS`."""
    return _marks(digests.to_pylist())


def of_addresses(urls: pa.ChunkedArray, declared: pa.ChunkedArray | None) -> Marks:
    """Marks of pages by their URLs, and by what each says is its own, where that was read."""
    said = declared.to_pylist() if declared is not None else [None] * len(urls)
    return _marks([xxh3_128_digest(address(url, own).encode()) if url else None for url, own in zip(urls.to_pylist(), said, strict=True)])


def address(url: str, declared: str | None) -> str:
    """The address that a page is known by. One that is neither http nor https stays as it is."""
    page = normalise(url)
    if page is None:
        return url
    own = normalise(declared) if declared else None
    return own.text if own and _belongs(page, own) else page.text


def _belongs(page: Url, own: Url) -> bool:
    return own.host == page.host and own.target != _FRONT


def _marks(digests: list[bytes | None]) -> Marks:
    known = np.array([digest is not None for digest in digests], np.bool_)
    return Marks(np.frombuffer(b"".join(digest or bytes(16) for digest in digests), np.uint64).reshape(-1, 2), known)
