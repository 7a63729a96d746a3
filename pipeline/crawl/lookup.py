"""Names are looked up in threads that nobody waits for: a lookup may take a minute, and nothing can end it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from threading import Thread
from typing import Any, TypeVar, cast

from aiohttp.abc import AbstractResolver
from aiohttp.resolver import ThreadedResolver

T = TypeVar("T")


def resolver() -> AbstractResolver:
    """The system's name resolution; a crawl that is interrupted leaves its lookups alone."""
    return ThreadedResolver(cast(asyncio.AbstractEventLoop, _Lookups()))


class _Lookups:
    """What a resolver asks an event loop for."""

    async def getaddrinfo(self, host: str, port: int, **how: Any) -> list[Any]:
        return await _aside(partial(socket.getaddrinfo, host, port, **how))

    async def getnameinfo(self, address: tuple[Any, ...], flags: int = 0) -> tuple[str, str]:
        return await _aside(partial(socket.getnameinfo, address, flags))


async def _aside(lookup: Callable[[], T]) -> T:
    found: Future[T] = Future()
    found.set_running_or_notify_cancel()

    def look() -> None:
        try:
            found.set_result(lookup())
        except (OSError, ValueError) as error:
            found.set_exception(error)

    # The interpreter waits at its end for the threads of executors.
    Thread(target=look, name="lookup", daemon=True).start()
    return await asyncio.wrap_future(found)
