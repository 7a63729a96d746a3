"""What the documentation says of settings, outcomes and the log is so."""

from __future__ import annotations

import json
import re
from pathlib import Path

from pipeline.crawl.config import CrawlConfig
from pipeline.schema import CRAWL_LOG

HERE = Path(__file__).parents[3]
TEXT = (HERE / "docs/crawling.md").read_text("utf-8")


def test_every_setting_is_there_with_its_default() -> None:
    table = TEXT.split("## Settings")[1]
    shown = re.findall(r"^\| `(\w+)` \| (.*?) \| (.+) \|$", table, re.MULTILINE)
    fields = CrawlConfig.model_fields
    assert [name for name, *_ in shown] == list(fields)
    for name, default, meaning in shown:
        assert len(meaning) > 3
        if fields[name].is_required():
            assert default == "required"
        else:
            value = fields[name].get_default()
            assert default == ("none" if value is None else f"`{json.dumps(value)}`"), name


def test_every_outcome_is_explained() -> None:
    code = "".join(path.read_text("utf-8") for path in (HERE / "pipeline/crawl").glob("*.py"))
    table = TEXT.split("| outcome | |")[1].split("```")[0]
    explained = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    for outcome in explained:
        assert f'"{outcome}"' in code or f"'{outcome}'" in code, outcome
    told = {"fetched", "unchanged", "sitemap", "redirect", "noindex", "nofollow", "content_type", "status", "robots", "scope", "trap"}
    assert explained == told | {"limit", "address", "error"}


def test_the_columns_of_the_log_that_it_names_are_there() -> None:
    said = TEXT.split("In the log, next to the URL:")[1].split("SQL sees it")[0]
    assert set(re.findall(r"`(\w+)`", said)) <= set(CRAWL_LOG.names)
