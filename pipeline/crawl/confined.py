"""Links are read in a child process, which a page may end without holding up any other."""

from __future__ import annotations

from pipeline.confined.child import Answer, Limits
from pipeline.confined.frames import Frame
from pipeline.confined.process import Confined, Terms
from pipeline.crawl import page
from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.page import Head, Page
from pipeline.crawl.urls import Url, parse
from pipeline.step import RowError

# A page of 46 MB with 20,000 links was read in 1.5 s; it is the few that are made to hurt that come near these.
LIMITS = Limits(cpu_s=5.0, memory_mb=2_000)

_reader = Confined(__name__)


def read(body: bytes, head: Head, config: CrawlConfig) -> Page:
    """Links and directives of an HTML page; of one that goes over the limits, what `page.searched` finds."""
    request = Frame({**head._asdict(), "url": head.url.text}, body)
    (answer,) = _reader.answers([request], Terms(config.model_dump_json(), LIMITS))
    return page.searched(body, head, answer.detail) if isinstance(answer, RowError) else _page(answer)


def load(settings: str) -> Answer:
    """The child's side: what reads a page."""
    config = CrawlConfig.model_validate_json(settings)

    def answer(request: Frame) -> Frame:
        said = request.head
        head = Head(parse(said["url"]), said["charset"], tuple(said["robots"]), tuple(said["links"]))
        return _frame(page.read(request.body, head, config))

    return answer


def _frame(found: Page) -> Frame:
    return Frame(
        {
            "links": [link.text for link in found.links],
            "nofollow_links": [link.text for link in found.nofollow_links],
            "directives": sorted(found.directives),
            "left_out": found.left_out,
            "canonical": found.canonical and found.canonical.text,
        }
    )


def _page(answer: Frame) -> Page:
    said = answer.head
    return Page(
        links=_urls(said["links"]),
        nofollow_links=_urls(said["nofollow_links"]),
        directives=frozenset(said["directives"]),
        left_out=said["left_out"],
        canonical=parse(said["canonical"]) if said["canonical"] else None,
    )


def _urls(texts: list[str]) -> tuple[Url, ...]:
    return tuple(map(parse, texts))
