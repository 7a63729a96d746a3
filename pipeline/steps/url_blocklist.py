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
from pipeline.kernels.lexicon import Lexicon, Matches, find, lexicon
from pipeline.kernels.names import are_in, name_set
from pipeline.kernels.strings import Hashes
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
_NO_HOST = re.compile(r"[/\\?#@*^|]|^[^\[]*:|^\.|\.\.")
_MAX_HOST_CHARS = 253  # RFC 1035: of what is longer, the end is looked up
_SEPARATORS = re.compile(r"[\W_]+")


class _Address(NamedTuple):
    host: str  # empty where there is none
    address: str  # host, port, path and query, as in `urls`
    words: str  # between spaces


class _Words(NamedTuple):
    wanted: Lexicon
    entries: pa.Array


def _parsed(url: str) -> ada_url.URL | None:
    try:
        parsed = ada_url.URL(url)
    except ValueError:
        return None
    return parsed if parsed.hostname else None


def _words(text: str) -> str:
    return _SEPARATORS.sub(" ", unicodedata.normalize("NFC", unquote(text))).strip()


def _read(url: str) -> _Address:
    """What a URL says, with a scheme or without."""
    parsed = _parsed(url if "://" in url else f"http://{url}")
    if not parsed:
        return _Address("", "", _words(url))
    host = parsed.hostname.removesuffix(".")
    port = f":{parsed.port}" if parsed.port else ""
    named = ada_url.idna_to_unicode(host) if "xn--" in host else host
    path, query = parsed.pathname, parsed.search
    return _Address(host, f"{host}{port}{path.rstrip('/')}{query}", _words(f"{named}{path}{query}{parsed.hash}"))


def _with_parents(host: str) -> Iterator[str]:
    """The host and the domains that it is under, from the narrowest on."""
    yield host
    dot = host.find(".", max(0, len(host) - _MAX_HOST_CHARS))
    while dot >= 0:
        yield host[dot + 1 :]
        dot = host.find(".", dot + 1)


def _host(listed: Listed, place: int) -> str:
    entry = listed.entries[place].as_py()
    parsed = None if _NO_HOST.search(entry) else _parsed(f"http://{entry}")
    if not parsed:
        raise listed.refusal(place, "a domain such as example.org")
    return parsed.hostname.removesuffix(".")


def _hosts(listed: Listed) -> pa.Array:
    lowered = pc.ascii_lower(listed.entries)
    plain = pc.match_substring_regex(lowered, _PLAIN_HOST)
    read = [_host(listed, place) for place in np.flatnonzero(~plain.to_numpy(zero_copy_only=False)).tolist()]
    return pc.replace_with_mask(lowered, pc.invert(plain), pa.array(read, lowered.type))


def _addresses(listed: Listed) -> pa.Array:
    found = [_read(entry).address for entry in listed.entries.to_pylist()]
    for place, address in enumerate(found):
        if not address or " " in listed.entries[place].as_py():
            raise listed.refusal(place, "an address such as example.org/page")
    return pa.array(found, pa.string())


@lru_cache(maxsize=4)
def _host_set(state: State) -> Hashes:
    return name_set(_hosts(lists.read(state.path)))


@lru_cache(maxsize=4)
def _address_set(state: State) -> Hashes:
    return name_set(_addresses(lists.read(state.path)))


@lru_cache(maxsize=16)
def _word_list(state: State, whole: bool) -> _Words:
    listed = lists.read(state.path)
    entries = [_words(entry) if whole else _words(entry).replace(" ", "") for entry in listed.entries.to_pylist()]
    for place, entry in enumerate(entries):
        if not entry:
            raise listed.refusal(place, "a word of letters or digits")
    return _Words(lexicon(pa.array(entries, pa.string()), [0] * len(entries), whole), listed.entries)


def _first_listed(keys: Hashes, names: list[list[str]]) -> pa.Array:
    """Of each row's names, the first that is in a set; null where none is."""
    flat = pa.array([name for each in names for name in each], pa.string())
    rows = np.repeat(np.arange(len(names)), [len(each) for each in names])
    hits = np.flatnonzero(are_in(keys, flat))
    found, first = np.unique(rows[hits], return_index=True)
    place = np.full(len(names), -1)
    place[found] = hits[first]
    return flat.take(pa.array(place, mask=place < 0))


def _first_word(words: _Words, found: Matches) -> pa.Array:
    return words.entries.take(pa.array(found.first, mask=found.first < 0)).cast(pa.string())


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    """Look each address up. Raises ValueError, naming file and line, where an entry of a list is not what it should be."""
    rows = batch.num_rows
    read = [None if url is None else _read(url) for url in batch["url"].to_pylist()]
    signals = {name: pa.nulls(rows, kind) for name, (kind, _) in SIGNALS.items()} | {"soft_words": pa.array(np.zeros(rows, np.int64))}
    texts = pa.array([each and each.words for each in read], pa.string())
    if config.domains:
        parents = [list(_with_parents(each.host)) if each and each.host else [] for each in read]
        signals["domain"] = _first_listed(_host_set(lists.state(config.domains)), parents)
    if config.hosts:
        hosts = [[each.host] if each and each.host else [] for each in read]
        signals["host"] = _first_listed(_host_set(lists.state(config.hosts)), hosts)
    if config.urls:
        addresses = [[each.address] if each and each.host else [] for each in read]
        signals["url"] = _first_listed(_address_set(lists.state(config.urls)), addresses)
    if config.hard_words:
        words = _word_list(lists.state(config.hard_words), True)
        signals["hard_word"] = _first_word(words, find(texts, words.wanted, 1))
    if config.subwords:
        words = _word_list(lists.state(config.subwords), False)
        signals["subword"] = _first_word(words, find(pc.replace_substring(texts, " ", ""), words.wanted, 1))
    if config.soft_words:
        words = _word_list(lists.state(config.soft_words), True)
        signals["soft_words"] = pa.array(find(texts, words.wanted, 1).distinct)
    return StepResult(signals=signals)
