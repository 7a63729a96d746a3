"""Links within the documentation lead somewhere, and code names pages that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]
PAGES = sorted([*HERE.glob("*.md"), *(HERE / "docs").glob("*.md")])


def anchors(page: Path) -> set[str]:
    """The headings of a page, as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?://)([^)\s]+)\)", page.read_text("utf-8")):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("folder", ["pipeline", "flows", "training", "dashboards", "tests"])
def test_pages_that_code_names_are_there(folder: str) -> None:
    files = [path for kind in ("py", "toml", "sql") for path in (HERE / folder).rglob(f"*.{kind}")]
    named = {name for path in files for name in re.findall(r"\bdocs/[\w-]+\.md", path.read_text("utf-8"))}
    assert {name for name in named if not (HERE / name).exists()} == set()
