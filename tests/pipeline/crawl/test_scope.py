from __future__ import annotations

from typing import Any

import pytest

from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.scope import Scope


def refusal(url: str, seeds: list[str] | None = None, **settings: Any) -> tuple[str, str] | None:
    config = CrawlConfig.model_validate({"seeds": seeds or ["http://example.org/start"], "contact": "x", **settings})
    parsed = config.normalise(url)
    assert parsed is not None
    return Scope(config).refusal(parsed)


@pytest.mark.parametrize(
    ("url", "settings", "outcome"),
    [
        ("http://example.org/a", {}, None),
        ("https://www.example.org/a", {}, None),
        ("http://sub.example.org/a", {}, "scope"),
        ("http://example.org:81/a", {}, "scope"),
        ("http://example.organic/a", {}, "scope"),
        ("http://sub.example.org/a", {"hosts": ["*.example.org"]}, None),
        ("http://example.org/a", {"hosts": ["*.example.org"]}, "scope"),
        ("http://example.org/docs/a", {"include": ["/docs/*"]}, None),
        ("http://example.org/blog/a", {"include": ["/docs/*"]}, "scope"),
        ("http://example.org/a?print=1", {"exclude": ["*print=1"]}, "scope"),
        ("https://example.org/a", {"exclude": ["https:*"]}, "scope"),
        ("http://example.org/start", {"include": ["/docs/*"]}, None),
        ("http://example.org/a.PDF", {}, "content_type"),
        ("http://example.org/a.pdf/b", {}, None),
        ("http://example.org/x/" + "y" * 2000, {}, "trap"),
        ("http://example.org" + "/a/b" * 3, {}, None),
        ("http://example.org" + "/a/b" * 4, {}, "trap"),
        ("http://example.org/" + "/".join(map(str, range(24))), {}, None),
        ("http://example.org/" + "/".join(map(str, range(25))), {}, "trap"),
    ],
)
def test_scope(url: str, settings: dict[str, Any], outcome: str | None) -> None:
    found = refusal(url, **settings)
    assert (found and found[0]) == outcome
