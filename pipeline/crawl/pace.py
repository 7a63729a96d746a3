"""When each host may be asked next, and how often again after a failure.

A host is a name with its port, as robots.txt is: hosts that share an address each have a pace of their own.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable

from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.fetch import FetchError, Response, retry_after_s

RETRY_STATUSES = frozenset({408, 429, 500, 502, 503, 504})


class Pace:
    """The time of every host's next turn, and one request at a time for each."""

    def __init__(self, config: CrawlConfig) -> None:
        self._config = config
        self._rests: dict[str, tuple[float, float]] = {}  # since when, of time.monotonic, and for how long after a failure
        self._delay_s: dict[str, float] = {}
        # Nearly always free: another host's robots.txt or sitemap may lead here while this one's pages are visited.
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def ask(self, host: str, delay_s: float) -> None:
        """The host asks for so much between two requests; the configured delay is the least."""
        self._delay_s[host] = delay_s

    async def attempts(self, request: Callable[[], Awaitable[Response]], host: str) -> Response:
        """The first answer that another attempt would not better, each attempt at the host's turn. Raises FetchError."""
        async with self._turns[host]:
            return await self._attempts(request, host)

    async def _attempts(self, request: Callable[[], Awaitable[Response]], host: str) -> Response:
        for attempt in range(1, self._config.max_attempts + 1):
            last = attempt == self._config.max_attempts
            await asyncio.sleep(self._rest_s(host))
            wait_s = 0.0
            try:
                response = await request()
                if response.status not in RETRY_STATUSES:
                    return response
                asked_s = retry_after_s(response.headers)
                wait_s = self._backoff_s(attempt) if asked_s is None else asked_s
                if last or wait_s > self._config.max_backoff_s:
                    return response
            except FetchError as error:
                if last or not error.transient:
                    raise
                wait_s = self._backoff_s(attempt)
            finally:
                self._rests[host] = (time.monotonic(), min(wait_s, self._config.max_backoff_s))
        raise AssertionError("the last attempt returns or raises")

    def _backoff_s(self, attempt: int) -> float:
        return min(self._config.backoff_s * 2 ** (attempt - 1), self._config.max_backoff_s)

    def _rest_s(self, host: str) -> float:
        """How long the host is to rest yet: what robots.txt asks for holds from the request for robots.txt on."""
        since, wait_s = self._rests.get(host, (-math.inf, 0.0))
        return since + max(wait_s, self._config.delay_s, self._delay_s.get(host, 0.0)) - time.monotonic()
