"""One GET within limits: time, bytes as sent, bytes decoded, addresses. Follows nothing, keeps nothing, knows no proxy."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import cast
from urllib.parse import quote

import aiohttp
from aiohttp import hdrs
from aiohttp.abc import AbstractResolver
from aiohttp.connector import Connection
from multidict import CIMultiDictProxy
from yarl import URL

from pipeline.content_coding import ACCEPTED, BrokenCodingError, Decoder, TooLargeError
from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.guard import REFUSED_ERRNO, guarded_socket
from pipeline.crawl.lookup import resolver as lookups
from pipeline.crawl.urls import Url

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_HEADER_BYTES = 32_768
_OF_THE_TRANSFER = (b"transfer-encoding", b"content-encoding", b"content-length")


@dataclass(frozen=True)
class Response:
    """What came back. `body` is None where it was not wanted; else it is whole and decoded, or the head of it up to a cut."""

    url: Url
    status: int
    content_type: str  # lower case, without parameters; empty where there is none
    charset: str | None
    headers: CIMultiDictProxy[str]
    request_head: bytes
    response_head: bytes  # as for `body`: what its codings were stands in X-Crawler-* headers
    fetched_at: int  # microseconds since 1970, UTC
    duration_ms: int  # from the request, or from connecting, to the last byte
    address: str | None  # of the peer that answered
    body: bytes | None


class FetchError(Exception):
    """No response, or not a whole one. `transient`: another attempt may do better."""

    def __init__(self, outcome: str, detail: str, *, transient: bool = False) -> None:
        super().__init__(detail)
        self.outcome, self.detail, self.transient = outcome, detail, transient


class _Answer(aiohttp.ClientResponse):
    """A response that knows who answered: a short one has given its connection back before anyone could ask."""

    peer: str | None = None

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        name = connection.transport.get_extra_info("peername") if connection.transport else None
        self.peer = str(name[0]) if name else None
        return await super().start(connection)


Wanted = Callable[[int, str], bool]  # status and content type → whether to read the body


class Fetcher:
    """Two pools of connections: one guarded, one for the hosts that the configuration allows by name. An async context."""

    def __init__(self, config: CrawlConfig, resolver: AbstractResolver | None = None) -> None:
        self._config, self._resolver = config, resolver

    async def __aenter__(self) -> Fetcher:
        resolver = self._resolver or lookups()
        self._guarded = self._session(aiohttp.TCPConnector(limit=0, resolver=resolver, socket_factory=guarded_socket))
        self._allowed = self._session(aiohttp.TCPConnector(limit=0, resolver=resolver))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._guarded.close()
        await self._allowed.close()

    def _session(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        config = self._config
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=config.page_timeout_s, sock_connect=config.connect_timeout_s),
            headers={
                hdrs.USER_AGENT: config.user_agent,
                hdrs.ACCEPT: "text/html,text/plain;q=0.9,*/*;q=0.1",
                hdrs.ACCEPT_ENCODING: ACCEPTED,
            },
            middlewares=(_once,),
            response_class=_Answer,
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
        )

    async def get(self, url: Url, wanted: Wanted, cut_bytes: int | None = None, conditions: Mapping[str, str] | None = None) -> Response:
        """The response to one request. A body longer than the limits is a FetchError, or is cut where `cut_bytes` says so.

        `conditions` are header fields that ask for a body only where the page has changed (RFC 9110 section 13.1).
        """
        session = self._allowed if self._config.allows_address(url) else self._guarded
        began = time.monotonic()
        try:
            # The URL is normalised: it is sent as it stands.
            async with session.get(URL(url.text, encoded=True), allow_redirects=False, headers=conditions) as response:
                return await self._read(url, cast(_Answer, response), wanted, cut_bytes, began)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise self._failure(error) from error

    async def _read(self, url: Url, response: _Answer, wanted: Wanted, cut_bytes: int | None, began: float) -> Response:
        fetched_at = time.time_ns() // 1000
        content_type = _sent(response.headers.get(hdrs.CONTENT_TYPE, "")).partition(";")[0].strip().lower()
        body = None
        if wanted(response.status, content_type):
            body = await self._body(response, cut_bytes)
        else:
            response.close()
        return Response(
            url=url,
            status=response.status,
            content_type=content_type,
            charset=response.charset,
            headers=response.headers,
            request_head=_request_head(response),
            response_head=_response_head(response, len(body or b"")),
            fetched_at=fetched_at,
            duration_ms=round((time.monotonic() - began) * 1000),
            address=response.peer,
            body=body,
        )

    async def _body(self, response: aiohttp.ClientResponse, cut_bytes: int | None) -> bytes:
        max_bytes = self._config.max_body_bytes
        if cut_bytes is None and (response.content_length or 0) > max_bytes:
            raise TooLargeError(f"more than {max_bytes} bytes announced")
        decoder = Decoder(response.headers.get(hdrs.CONTENT_ENCODING, ""), self._config.max_decoded_bytes)
        sent, pieces, decoded = 0, list[bytes](), 0
        async for chunk in response.content.iter_any():
            sent += len(chunk)
            if sent > max_bytes:
                raise TooLargeError(f"more than {max_bytes} bytes sent")
            for piece in decoder.feed(chunk):
                pieces.append(piece)
                decoded += len(piece)
            if cut_bytes is not None and decoded >= cut_bytes:
                response.close()
                return b"".join(pieces)[:cut_bytes]
        decoder.close()
        return b"".join(pieces)

    def _failure(self, error: Exception) -> FetchError:
        """The error in the crawl log's terms."""
        outcome, detail, transient = "error", " ".join(f"{type(error).__name__}: {error}".split())[:300], False
        match error:
            case TooLargeError():
                outcome, detail = "limit", str(error)
            case BrokenCodingError():
                detail = str(error)
            case aiohttp.ClientConnectorError() if error.os_error.errno == REFUSED_ERRNO:
                outcome, detail = "address", str(error.os_error.strerror or error.os_error)
            case aiohttp.ServerTimeoutError():
                transient = True
            case TimeoutError():
                outcome, detail = "limit", f"longer than {self._config.page_timeout_s:g} seconds"
            case aiohttp.ClientSSLError():
                pass
            case aiohttp.ClientConnectionError() | aiohttp.ClientPayloadError() | ConnectionError():
                transient = True
            case _:
                pass  # a malformed answer or URL: another attempt would be no better
        return FetchError(outcome, detail, transient=transient)


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """One request, not two: where a connection breaks, aiohttp would ask again at once, but the host has its pace."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError(str(error)) from error


_ASCII = bytes(range(0x21, 0x7F))


def location(headers: Mapping[str, str]) -> str:
    """Where a redirect leads, bytes beyond ASCII escaped as in a URL; empty where it says nothing."""
    return quote(headers.get(hdrs.LOCATION, "").encode("utf-8", "surrogateescape"), safe=_ASCII)


def _sent(value: str) -> str:
    """A header field's value in characters that can be stored: bytes that are no UTF-8 are replaced."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The Retry-After header in seconds from now (RFC 9110 section 10.2.3); None where there is none, or none to be understood."""
    value = headers.get(hdrs.RETRY_AFTER, "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        when = parsedate_to_datetime(value)
        # The form of C's asctime names no zone: it is in UTC too (RFC 9110 section 5.6.7).
        return max(0.0, (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _request_head(response: aiohttp.ClientResponse) -> bytes:
    lines = [f"{response.method} {response.url.raw_path_qs} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in response.request_info.headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def _response_head(response: aiohttp.ClientResponse, body_bytes: int) -> bytes:
    """The head as it describes the decoded body, the original values kept under another name."""
    version = response.version or aiohttp.HttpVersion11
    lines = [f"HTTP/{version.major}.{version.minor} {response.status} {response.reason or ''}".encode("utf-8", "surrogateescape")]
    for name, value in response.raw_headers:
        kept_as = b"X-Crawler-" + name if name.lower() in _OF_THE_TRANSFER else name
        lines.append(kept_as + b": " + value)
    lines.append(b"Content-Length: " + str(body_bytes).encode())
    return b"\r\n".join(lines) + b"\r\n\r\n"
