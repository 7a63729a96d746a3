"""Sitemaps (sitemaps.org, protocol 0.9): XML, gzipped XML, lists of lines; and indexes of them. Hostile ones too."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

from pipeline.content_coding import BrokenCodingError, Decoder, TooLargeError

_GZIP = b"\x1f\x8b"
_MAX_LOCATION_CHARS = 8_192
_PIECE_BYTES = 65_536
_LISTS = {"urlset": "url", "sitemapindex": "sitemap"}  # root element: what it lists
_DEEPEST = 64  # elements within elements; the protocol and its extensions need five


class NoSitemapError(ValueError):
    """Neither XML of the protocol nor a list of URLs."""


@dataclass
class Listing:
    """The locations in order of appearance, as they stand there: of pages, or of further sitemaps where it is an index."""

    locations: list[str] = field(default_factory=list)
    index: bool = False
    damage: str | None = None  # why there may be more than was read


def read(body: bytes, max_decoded_bytes: int, max_locations: int) -> Listing:
    """What a sitemap lists, up to its damage or to the limits. Raises NoSitemapError.

    Nothing outside the body is ever read, and no entity is declared: a document that tries ends there.
    """
    damage = None
    if body.startswith(_GZIP):
        body, damage = _unzipped(body, max_decoded_bytes)
    if damage and not body:
        raise NoSitemapError(damage)
    listing = _elements(body, max_locations) if b"<" in body.lstrip()[:4] else _lines(body, max_locations)
    listing.damage = damage or listing.damage
    return listing


def _unzipped(body: bytes, max_bytes: int) -> tuple[bytes, str | None]:
    """What can be decoded, and what stopped it."""
    decoder, pieces = Decoder("gzip", max_bytes), list[bytes]()
    try:
        for at in range(0, len(body), _PIECE_BYTES):
            pieces += decoder.feed(body[at : at + _PIECE_BYTES])
        decoder.close()
    except (BrokenCodingError, TooLargeError) as error:
        return b"".join(pieces), str(error)
    return b"".join(pieces), None


def _lines(body: bytes, max_locations: int) -> Listing:
    lines = [line.strip() for line in body.decode("utf-8-sig", "replace").splitlines()]
    lines = [line for line in lines if line]
    if not lines or not lines[0].lower().startswith(("http://", "https://")):
        raise NoSitemapError("neither XML nor a list of URLs")
    return Listing(lines[:max_locations], damage=_more(len(lines), max_locations))


def _more(count: int, max_locations: int) -> str | None:
    return f"more than {max_locations} locations" if count > max_locations else None


class _Enough(Exception):  # noqa: N818  # it ends the reading, and is no error
    pass


class _Reader:
    """Takes `loc` out of the entries of the root's list, and nothing out of extensions such as images."""

    def __init__(self, max_locations: int) -> None:
        self.listing, self.begun, self._max = Listing(), False, max_locations
        self._path: list[str] = []
        self._text: list[str] | None = None  # of the location under way
        self._chars = 0

    def start(self, name: str, _: object) -> None:
        self._path.append(name.rpartition(" ")[2])
        if len(self._path) == 1:
            if self._path[0] not in _LISTS:
                raise NoSitemapError(f"XML of another kind: {self._path[0][:40]}")
            self.begun = True
            self.listing.index = self._path[0] == "sitemapindex"
        if len(self._path) > _DEEPEST:
            raise _Enough(f"more than {_DEEPEST} elements within each other")
        if self._path[1:] == [_LISTS[self._path[0]], "loc"]:
            self._text, self._chars = [], 0

    def text(self, data: str) -> None:
        if self._text is not None:
            # One character more than a URL may have: no shorter one is made of it.
            self._text.append(data[: _MAX_LOCATION_CHARS + 1 - self._chars])
            self._chars += len(self._text[-1])

    def end(self, _: str) -> None:
        self._path.pop()
        if self._text is None:
            return
        location, self._text = "".join(self._text).strip(), None
        if len(self.listing.locations) == self._max:
            raise _Enough(_more(self._max + 1, self._max))
        if location:
            self.listing.locations.append(location)

    def refuse(self, *_: object) -> None:
        raise _Enough("it declares an entity")


def _elements(body: bytes, max_locations: int) -> Listing:
    reader = _Reader(max_locations)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = reader.start, reader.end, reader.text
    parser.EntityDeclHandler = reader.refuse
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    try:
        parser.Parse(body.lstrip(), True)
    except (_Enough, expat.ExpatError, ValueError, LookupError) as error:
        if not reader.begun:
            raise NoSitemapError(str(error)[:200]) from None
        reader.listing.damage = str(error)[:200]
    return reader.listing
