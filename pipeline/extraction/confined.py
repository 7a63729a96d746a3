"""Pages are parsed in a child process, which a page may end without ending anything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pipeline.confined.child import Answer, Limits
from pipeline.confined.frames import Frame
from pipeline.confined.process import Confined, Terms
from pipeline.extraction.metadata import Metadata
from pipeline.extraction.page import Config, Page, parsed
from pipeline.step import RowError

parser = Confined(__name__)


class Request(NamedTuple):
    """A page to parse: its bytes, and what the server said of them."""

    content: bytes
    charset: str | None
    url: str | None


def read(requests: Sequence[Request], config: Config) -> list[Page | RowError]:
    """What is in each page, in order. Errors: those of `page.parsed`, and of `Confined.answers`."""
    given = [Frame({"charset": request.charset, "url": request.url}, request.content) for request in requests]
    terms = Terms(config.model_dump_json(), Limits(config.page_timeout_s, config.max_memory_mb))
    return [answer if isinstance(answer, RowError) else _page(answer) for answer in parser.answers(given, terms)]


def load(settings: str) -> Answer:
    """The child's side: what parses a page."""
    config = Config.model_validate_json(settings)
    parsed(b"<p>text</p>", None, None, config)  # loads what the engine needs

    def answer(request: Frame) -> Frame | RowError:
        found = parsed(request.body, request.head["charset"], request.head["url"], config)
        if isinstance(found, RowError):
            return found
        return Frame({"charset": found.charset, "metadata": found.metadata._asdict()}, found.text.encode())

    return answer


def _page(answer: Frame) -> Page:
    return Page(str(answer.body, "utf-8"), answer.head["charset"], Metadata(**answer.head["metadata"]))
