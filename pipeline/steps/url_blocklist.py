"""Pages whose address is on a list: domains, hosts, addresses, and words that an address is made of.

In the spirit of RefinedWeb (Penedo et al. 2023, arXiv:2306.01116, appendix G.1), whose URL filter FineWeb keeps: a listed domain
bans its subdomains as well; one hard word bans, and so does a subword wherever it stands; soft words ban where there are two
different ones. The lists are the recipe's: none come with this step. `keep.domain = { in = ["…"] }` excepts entries of a list.

Addresses are read as browsers read them (WHATWG), so in any case and spelling; scheme, name and password, fragment and a slash at
the end count for nothing in `urls`, and an address in a list bans none but itself. The words of an address are its runs of letters
and digits, without percent-encoding, case folded. A row without an address is on no list, and kept; of what is no address at all,
the words are asked alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

import ada_url
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import lists
from pipeline.kernels import kernel
from pipeline.kernels.lexicon import Lexicon, Matches, find, lexicon
from pipeline.kernels.sets import set_room, slot_for
from pipeline.kernels.strings import Hashes, hashes
from pipeline.lists import Listed, State
from pipeline.step import Bound, File, StepConfig, StepResult

VERSION = 1
USES = ("ada-url",)


class Config(StepConfig):
    domains: File | None = None  # with all of their subdomains
    hosts: File | None = None  # without
    urls: File | None = None
    hard_words: File | None = None
    subwords: File | None = None  # also within words and across them
    soft_words: File | None = None


SIGNALS = {
    "domain": (pa.string(), "the entry of `domains` that the host is, or is under; null where none"),
    "host": (pa.string(), "the entry of `hosts` that the host is; null where it is none"),
    "url": (pa.string(), "the entry of `urls` that the address is; null where it is none"),
    "hard_word": (pa.string(), "the first of `hard_words` in the address; null where there is none"),
    "subword": (pa.string(), "the first of `subwords` in the address; null where there is none"),
    "soft_words": (pa.int64(), "different words of `soft_words` in the address"),
}

_NONE = Bound.model_validate({"in": (), "null": True})
BOUNDS = {
    "domain": _NONE,
    "host": _NONE,
    "url": _NONE,
    "hard_word": _NONE,
    "subword": _NONE,
    "soft_words": Bound(max=1),
}

# Hosts that every reader of URLs leaves as they are; a last label that begins with a digit may be part of an address in numbers.
_PLAIN_HOST = r"^([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)*[a-z]([a-z0-9-]*[a-z0-9])?$"
_MAX_HOST_CHARS = 253  # RFC 1035: of what is longer, the end is looked up
_SEPARATORS = re.compile(r"[\W_]+")
_A_DOMAIN, _AN_ADDRESS, _A_WORD = "a domain such as example.org", "an address such as example.org/page", "a word of letters or digits"


class _Address(NamedTuple):
    host: str  # empty where there is none
    address: str  # host, path and query, as in `urls`
    words: str  # between spaces


def _words(text: str) -> str:
    return _SEPARATORS.sub(" ", unicodedata.normalize("NFC", unquote(text))).strip()


def _read(url: str) -> _Address:
    """What a URL says, with a scheme or without."""
    for text in (url, f"http://{url}"):
        try:
            parsed = ada_url.URL(text)
        except ValueError:
            continue
        host = parsed.hostname.removesuffix(".")
        if host:
            target = f"{parsed.pathname}{parsed.search}"
            address = f"{host}:{parsed.port}" if parsed.port else host
            named = ada_url.idna_to_unicode(host) if "xn--" in host else host
            return _Address(host, f"{address}{parsed.pathname.rstrip('/')}{parsed.search}", _words(f"{named}{target}{parsed.hash}"))
    return _Address("", "", _words(url))


def _parents(host: str) -> Iterator[str]:
    """The host and the domains that it is under, from the narrowest on; of an address in numbers, itself."""
    yield host
    if host.endswith("]") or host[-1:].isdecimal():
        return
    dot = host.find(".", max(0, len(host) - _MAX_HOST_CHARS))
    while dot >= 0:
        yield host[dot + 1 :]
        dot = host.find(".", dot + 1)


def _hosts(listed: Listed) -> pa.Array:
    lowered = pc.ascii_lower(listed.entries)
    odd = np.flatnonzero(~pc.match_substring_regex(lowered, _PLAIN_HOST).to_numpy(zero_copy_only=False))
    read = [_host(listed, place) for place in odd]
    mask = np.zeros(len(lowered), bool)
    mask[odd] = True
    return pc.replace_with_mask(lowered, pa.array(mask), pa.array(read, lowered.type))


def _host(listed: Listed, place: int) -> str:
    entry = listed.entries[place].as_py()
    found = _read(f"http://{entry}")
    if not found.host or found.address != found.host or re.search(r"[/?#@*:^|\s]", entry.strip("[]")):
        raise listed.refusal(place, _A_DOMAIN)
    return found.host


def _addresses(listed: Listed) -> pa.Array:
    found = [_read(entry).address for entry in listed.entries.to_pylist()]
    for place, address in enumerate(found):
        if not address or " " in listed.entries[place].as_py():
            raise listed.refusal(place, _AN_ADDRESS)
    return pa.array(found, pa.large_string())


@kernel
def _insert(keys: Hashes, found: Hashes) -> None:
    for i in range(len(found)):
        key = found[i] | np.uint64(1)
        keys[slot_for(keys, len(keys) - 1, key)] = key


@kernel
def _lookup(keys: Hashes, wanted: Hashes, known: np.ndarray) -> None:
    for i in range(len(wanted)):
        known[i] = keys[slot_for(keys, len(keys) - 1, wanted[i] | np.uint64(1))] != 0


@lru_cache(maxsize=8)
def _names(state: State, addresses: bool) -> Hashes:
    """A list's entries as a set of 64-bit hashes: two million are 64 MB."""
    listed = lists.read(state.path)
    found = hashes(_addresses(listed) if addresses else _hosts(listed))
    keys = np.zeros(set_room(len(found)), np.uint64)
    _insert(keys, found)
    return keys


def _listed(path: str | None, given: list[list[str]], addresses: bool = False) -> pa.Array:
    """Of each row's names, the first that is in a list; null where none is."""
    if path is None:
        return pa.nulls(len(given), pa.string())
    flat = [name for names in given for name in names]
    known = np.empty(len(flat), bool)
    _lookup(_names(lists.state(path), addresses), hashes(pa.array(flat, pa.large_string())), known)
    marks = iter(known.tolist())
    marked = [[name for name, mark in zip(names, marks, strict=False) if mark] for names in given]
    return pa.array([names[0] if names else None for names in marked], pa.string())
