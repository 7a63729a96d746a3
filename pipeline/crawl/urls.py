"""URLs in one spelling (WHATWG URL Standard, RFC 3986 section 6.2.2) and the shapes that show a trap."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from typing import NamedTuple

import ada_url

_UNRESERVED = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
# Escapes that have another spelling: one in ten thousand, where a page's own letters are all escaped.
_MISSPELT = re.compile(rf"%(?:[0-9A-Fa-f][a-f]|[a-f][0-9A-F]|{'|'.join(f'{ord(char):02X}' for char in _UNRESERVED)})")
_PATH_SESSION = re.compile(r";(?:jsessionid|phpsessid)=[^/;?]*", re.IGNORECASE)
_MAX_CHARS = 8_192  # RFC 9110 section 4.1 has everyone support 8000
_PORT = re.compile(":[0-9]+$")
_NUMBER = re.compile("[0-9a-fA-F-]{16,}|[0-9]+")


class _Parts(NamedTuple):
    scheme: str
    host: str
    path: str
    query: str


class Url(_Parts):
    """A normalised http or https URL: `host` has the port where it is not the scheme's own, `path` begins with a slash."""

    @cached_property
    def text(self) -> str:
        """The whole URL, without a fragment."""
        return f"{self.origin}{self.target}"

    @property
    def origin(self) -> str:
        """Scheme and host."""
        return f"{self.scheme}://{self.host}"

    @property
    def target(self) -> str:
        """Path and query: what a request names."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def hostname(self) -> str:
        """The host without its port."""
        return _PORT.sub("", self.host)

    @cached_property
    def id(self) -> int:
        """63 bits of the text's hash: one chance of a clash in ten thousand at forty million URLs."""
        return int.from_bytes(hashlib.blake2b(self.text.encode(), digest_size=8).digest(), "big") >> 1


def normalise(text: str, base: str | None = None, *, sort_query: bool = True, drop_parameters: tuple[str, ...] = ()) -> Url | None:
    """The one spelling of a URL, resolved against `base`; None where it is not http or https, or no URL that a server would take.

    Fragment and credentials go; so do parameters whose lower-case name matches a glob of `drop_parameters`.
    """
    if len(text) > _MAX_CHARS:
        return None
    if base and text.startswith("/"):
        # Depends on nothing but the base's origin: the links of a site's every page are then resolved once.
        base = base[: base.find("/", base.find("://") + 3) + 1] or base
    return _normalised(text, base, sort_query, drop_parameters)


@lru_cache(maxsize=65_536)
def _normalised(text: str, base: str | None, sort_query: bool, drop_parameters: tuple[str, ...]) -> Url | None:
    try:
        parsed = ada_url.URL(text, base)
    except ValueError:
        return None
    scheme = parsed.protocol[:-1]
    if scheme not in ("http", "https"):
        return None
    path, query = parsed.pathname, parsed.search[1:]
    if ";" in path:
        path = _PATH_SESSION.sub("", path)
    if query:
        query = _query(query, sort_query, drop_parameters)
    return Url(scheme, parsed.host, _escapes(path), _escapes(query))


def _query(query: str, sort: bool, drop: Sequence[str]) -> str:
    kept = [pair for pair in query.split("&") if pair and not any(fnmatchcase(_name(pair).lower(), glob) for glob in drop)]
    # A stable sort: values of one name may have a meaning in their order.
    return "&".join(sorted(kept, key=_name) if sort else kept)


def _name(pair: str) -> str:
    return pair.partition("=")[0]


def _escapes(text: str) -> str:
    return _MISSPELT.sub(_escape, text) if "%" in text else text


def _escape(match: re.Match[str]) -> str:
    char = chr(int(match[0][1:], 16))
    return char if char in _UNRESERVED else match[0].upper()


def shape(url: Url) -> str:
    """The path with its numbers and long hexadecimal runs masked, and the query's parameter names.

    A calendar, a session in a path, or permutations of a query's values have one shape and no end.
    """
    names = sorted({_NUMBER.sub("0", _name(pair)) for pair in url.query.split("&")}) if url.query else []
    return _NUMBER.sub("0", url.path) + ("?" + "&".join(names) if names else "")


def parse(text: str) -> Url:
    """A normalised URL's text taken apart again."""
    scheme, _, rest = text.partition("://")
    host, _, target = rest.partition("/")
    path, _, query = target.partition("?")
    return Url(scheme, host, f"/{path}", query)
