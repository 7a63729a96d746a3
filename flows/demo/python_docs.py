"""The documentation of the running Python as pages: what `pydoc` makes of a bounded list of modules, and its topics.

The same Python gives the same bytes: memory addresses and the machine's paths are left out, and so are links to pages
that are not in the list.
"""

from __future__ import annotations

import importlib
import pkgutil
import platform
import pydoc
import re
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from functools import cache
from html import escape
from threading import Lock

from flows.demo.page import Page

SEED_PATH = "/"  # where a crawl begins

_LEFT_OUT = frozenset(
    (
        *("antigravity", "this", "idlelib", "turtle", "turtledemo", "tkinter"),  # do something when imported, or need a screen
        *("ensurepip", "test", "pydoc_data"),  # no documentation
        *("distutils", "lib2to3"),  # on their way out, and replaced by others' where setuptools is installed
        *("nt", "posix", "site", "sys", "sysconfig"),  # tell of the machine
        *("ast", "builtins"),  # half a megabyte each
    )
)
_TESTS = frozenset(("test", "tests"))
_ADDRESS = re.compile(r"(?: |&nbsp;)(?:at(?: |&nbsp;)0x|handle(?: |&nbsp;)(?=\d))[0-9a-f]{6,}", re.IGNORECASE)
_LINK = re.compile(r'<a href="([^"]*)">(.*?)</a>', re.DOTALL)
_LOCAL_PAGE = re.compile(r"([\w.]+)\.html(?:#.*)?|topic\?key=(.*)")
_TOPIC_TARGET = "/topic?key="

_rendering = Lock()  # pydoc was made for one reader


@cache
def modules() -> tuple[str, ...]:
    """The public modules and submodules of the standard library that can be imported here, in order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tuple(name for top in sorted(sys.stdlib_module_names - _LEFT_OUT) if not top.startswith("_") for name in _importable(top))


def _importable(name: str) -> Iterator[str]:
    try:
        module = importlib.import_module(name)
    except ImportError:  # of another system, or built without it
        return
    yield name
    if hasattr(module, "__path__") and name != "encodings":
        for below in sorted(info.name for info in pkgutil.iter_modules(module.__path__)):
            if not below.startswith("_") and below not in _TESTS:
                yield from _importable(f"{name}.{below}")


@cache
def topics() -> tuple[str, ...]:
    """The topics and keywords of the language reference that have a text of their own, in order."""
    named = {**pydoc.Helper.topics, **pydoc.Helper.keywords}
    return tuple(sorted(name for name, target in named.items() if isinstance(target, tuple)))


@cache
def answer(target: str) -> Page | None:
    """The page at a request's path and query; None where the list has none."""
    if target == "/robots.txt":
        return Page(b"User-agent: *\nDisallow:\n", {"Content-Type": "text/plain"})
    if target == SEED_PATH:
        return Page(_index().encode())
    with _rendering:
        if target.startswith(_TOPIC_TARGET) and target.removeprefix(_TOPIC_TARGET) in topics():
            return _settled(pydoc._url_handler(target))  # type: ignore[attr-defined]
        if target.endswith(".html") and (name := target[1:].removesuffix(".html")) in modules():
            return _settled(_module(name))
    return None


def _module(name: str) -> str:
    # The page as pydoc's server makes it, which itself would import the module afresh for each request.
    document = pydoc.HTMLDoc()
    module = sys.modules[name]
    return document.page(pydoc.describe(module), document.document(module, name))


def _settled(page: str) -> Page:
    """The page without what differs from one run or machine to the next."""
    page = _LINK.sub(_link, _ADDRESS.sub("", page))
    page = page.replace(sys.executable, "/python/bin/python3").replace(sysconfig.get_path("stdlib"), "/python/lib")
    page = page.replace(escape(platform.platform(terse=True)), "")
    return Page(page.encode("utf-8", "xmlcharrefreplace"))


def _link(match: re.Match[str]) -> str:
    href, shown = match.groups()
    if href.startswith("file:"):
        return ""
    local = _LOCAL_PAGE.fullmatch(href)
    listed = not local or local[1] in modules() or local[2] in topics()
    return match[0] if listed else shown


def _index() -> str:
    items = [f'<li><a href="{name}.html">{name}</a></li>' for name in modules()]
    items += [f'<li><a href="{_TOPIC_TARGET[1:]}{escape(name)}">{escape(name)}</a></li>' for name in topics()]
    listed = "\n".join(items)
    return f'<!DOCTYPE html>\n<html lang="en"><title>Python: modules and topics</title>\n<ul>\n{listed}\n</ul></html>\n'
