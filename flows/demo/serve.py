"""Serves the demo's two sites on the loopback address: `python -m flows.demo.serve`.

Prints one line of JSON with the two ports once it listens, and ends when its standard input is closed or its parent is gone.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from flows.demo import python_docs, site
from flows.demo.page import Page

LOOPBACK = "127.0.0.1"
SEED = 7

Answer = Callable[[str], Page | None]  # from a request's path and query; None where there is nothing

_MISSING = Page(b"<!DOCTYPE html><title>Not found</title><p>There is no such page.", status=404)
_LOOK_S = 1.0  # between two looks at whether the parent lives
_PATIENCE_S = 3.0  # with a port that is taken


@dataclass(frozen=True)
class Ports:
    """Where the two sites listen."""

    site: int
    pydoc: int


@contextmanager
def running(site_port: int = 0, pydoc_port: int = 0, seed: int = SEED, slow_ms: int = 0) -> Iterator[Ports]:
    """Both sites, served by a process of its own until the block ends. Port 0 takes any free one.

    `OSError` where a port is taken.
    """
    options = {"site-port": site_port, "pydoc-port": pydoc_port, "seed": seed, "slow-ms": slow_ms}
    command = [sys.executable, "-m", "flows.demo.serve", *(f"--{name}={value}" for name, value in options.items())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise OSError(f"the demo's pages cannot be served on ports {site_port} and {pydoc_port} of {LOOPBACK}")
        try:
            yield Ports(**json.loads(line))
        finally:
            process.stdin.close()


def server(port: int, answer: Answer, slow_ms: int = 0) -> ThreadingHTTPServer:
    """A server on the loopback address, listening; each answer waits for `slow_ms` first."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # head and body leave together

        def do_GET(self) -> None:
            time.sleep(slow_ms / 1000)
            page = answer(self.path) or _MISSING
            self.send_response(page.status)
            for name, value in {"Content-Length": str(len(page.body)), **page.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(page.body)
            if page.headers.get("Content-Length", str(len(page.body))) != str(len(page.body)):
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """The crawl keeps its own log."""

    return ThreadingHTTPServer((LOOPBACK, port), Handler)


def site_answers(seed: int) -> Answer:
    """What the project's own site answers."""
    pages = site.pages(seed)
    return lambda target: pages.get(target) or site.calendar(target)


def main() -> None:
    """Serve until standard input closes or the parent is gone."""
    arguments = _arguments()
    parent = os.getppid()
    _forget_surroundings()
    sites: dict[str, tuple[int, Answer]] = {
        "site": (arguments.site_port, site_answers(arguments.seed)),
        "pydoc": (arguments.pydoc_port, python_docs.answer),
    }
    servers = {name: _patiently(port, answer, arguments.slow_ms) for name, (port, answer) in sites.items()}
    for each in servers.values():
        Thread(target=each.serve_forever, daemon=True).start()
    print(json.dumps({name: each.server_port for name, each in servers.items()}), flush=True)
    _wait(parent)


def _patiently(port: int, answer: Answer, slow_ms: int) -> ThreadingHTTPServer:
    """A server on a port that a predecessor, whose parent was killed, may still hold for a moment."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return server(port, answer, slow_ms)
        except OSError as error:
            if time.monotonic() > until:
                sys.exit(f"port {port} of {LOOPBACK}: expected a free one: {error}")
            time.sleep(0.1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m flows.demo.serve", description=__doc__)
    parser.add_argument("--site-port", type=int, default=0)
    parser.add_argument("--pydoc-port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--slow-ms", type=int, default=0, help="wait before each answer")
    return parser.parse_args()


def _forget_surroundings() -> None:
    """The pages on `os` and `time` would tell of this machine's environment."""
    os.environ.clear()
    os.environ["TZ"] = "UTC"
    time.tzset()


def _wait(parent: int) -> None:
    while os.getppid() == parent:
        ready, _, _ = select.select([sys.stdin], [], [], _LOOK_S)
        if ready and not os.read(sys.stdin.fileno(), 4096):
            return


if __name__ == "__main__":
    main()
