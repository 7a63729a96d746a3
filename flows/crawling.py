"""Crawling from the command line: URLs as they are given, and what a person is told at the end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows import stages
from flows.stages import Stage
from flows.usage import UsageError
from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.errors import CrawlError
from pipeline.crawl.manifest import MANIFEST
from pipeline.crawl.report import FILE, LOG
from pipeline.recipe import Name
from pipeline.store import Store

SCHEMES = ("http://", "https://")
# The options that set a crawl of URLs, by the setting of CrawlConfig; a recipe has them in its file.
OPTIONS = {
    "contact": "--contact",
    "max_pages": "--max-pages",
    "max_depth": "--depth",
    "delay_s": "--delay",
    "hosts": "--host",
    "allow_hosts": "--allow-host",
    "include": "--include",
    "exclude": "--exclude",
}


def are_urls(what: Sequence[str], into: str | None, settings: Mapping[str, Any], set_: Sequence[str]) -> bool:
    """Whether the arguments are URLs, and not a recipe. UsageError where arguments and options do not go together."""
    urls = [each for each in what if each.lower().startswith(SCHEMES)]
    if urls and len(urls) < len(what):
        other = next(each for each in what if each not in urls)
        raise UsageError(other, "expected URLs that begin with http:// or https://, or one recipe alone")
    if urls and into is None:
        raise UsageError("--into", "expected a name for what is crawled, such as --into docs")
    if urls and set_:
        raise UsageError("--set", f"expected with a recipe; of URLs these are settings: {', '.join(OPTIONS.values())}")
    if not urls:
        _expect_recipe(what, into, settings)
    return bool(urls)


def _expect_recipe(what: Sequence[str], into: str | None, settings: Mapping[str, Any]) -> None:
    if len(what) != 1:
        raise UsageError(what[1], "expected one recipe, or URLs that begin with http:// or https://")
    if "://" in what[0] or (into is not None and "." in what[0] and not what[0].endswith(".toml")):
        raise UsageError(what[0], "expected a URL that begins with http:// or https://")
    if into is not None:
        problem = "expected with URLs, which begin with http:// or https://; a recipe names its sources"
        raise UsageError("--into", problem)
    given = next((name for name, value in settings.items() if value is not None), None)
    if given:
        raise UsageError(OPTIONS[given], f"expected with URLs; of a recipe, --set source.NAME.crawl.{given}=… changes it")


def crawl_urls(root: str, name: str, urls: Sequence[str], settings: Mapping[str, Any], edition: str | None) -> Stage:
    """Crawl URLs into `raw/<name>`, or an edition of it. UsageError where a name or a setting cannot be."""
    given = {setting: value for setting, value in settings.items() if value is not None}
    try:
        config = CrawlConfig.model_validate({"seeds": list(urls), **given})
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise _told(error) from None
    done = stages.crawl_source(Store(root), name, config, edition)
    _expect_pages(Store(root), done)
    return done


def _expect_pages(store: Store, done: Stage) -> None:
    """CrawlError where no page was kept, and the name free again: whoever gave the URLs will want to try once more."""
    if done.counts["fetched"] or done.counts["unchanged"]:
        return
    log = store.table(f"{done.path}/{LOG}/{FILE}", ["outcome", "detail"])
    reasons = Counter(zip(log["outcome"].to_pylist(), log["detail"].to_pylist(), strict=True)).most_common(3)
    for name in (MANIFEST, "frontier.sqlite", "frontier.sqlite-wal", "frontier.sqlite-shm"):
        (store.folder(done.path) / name).unlink(missing_ok=True)
    told = "; ".join(f"{count} {outcome}" + (f" ({detail})" if detail else "") for (outcome, detail), count in reasons)
    if any(outcome == "address" for (outcome, _), _ in reasons):
        told += "; --allow-host names a host on a private network that may be asked all the same"
    raise CrawlError(f"{store.uri(done.path)}: no page was kept: {told}")


def _told(error: ValidationError) -> UsageError:
    """The first thing wrong, in the terms of the command line."""
    first = error.errors()[0]
    where, problem = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
    if error.title != CrawlConfig.__name__:
        return UsageError("--into", f"expected lower-case letters, digits, '-' and '_', not {first['input']!r}")
    if not where:
        # What concerns several settings names itself.
        where, _, problem = problem.partition(": ")
    setting = where.partition(".")[0]
    if setting == "contact" and not problem.startswith("printable"):
        problem = "expected an e-mail address or a web page where site owners reach you, unless --allow-host names every seed's host"
    return UsageError({"seeds": "URL", **OPTIONS}.get(setting, setting), problem)


def show(out: Console, root: str, done: Sequence[Stage], follow: str | None = None) -> None:
    """What each crawl came to, where it lies, and what to do next. `follow` is the recipe that goes on with it."""
    store = Store(root)
    for each in done:
        found = json.loads(store.read(f"{each.path}/{MANIFEST}"))
        _outcomes(out, found["outcomes"])
        bytes_ = sum(file["bytes"] for file in found["files"])
        out.print(f"{len(found['files'])} WARC files, {bytes_ / 1e6:,.1f} MB: {store.uri(each.path)}", markup=False, highlight=False)
    if done:
        out.print("\nNext", style="bold")
        for line in _next(store, done, follow):
            out.print(f"  {escape(line)}", highlight=False, soft_wrap=True)


def _outcomes(out: Console, outcomes: Mapping[str, int]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("outcome")
    table.add_column("URLs", justify="right")
    for outcome, count in sorted(outcomes.items(), key=lambda pair: (-pair[1], pair[0])):
        table.add_row(outcome, f"{count:,}")
    out.print(table)


def _next(store: Store, done: Sequence[Stage], follow: str | None) -> list[str]:
    root = f"--root {store.root}"
    why = f"corpusmill sql crawl_outcomes {root}"
    if follow:
        return [f"corpusmill curate {follow} {root}", why]
    name = done[0].path.split("/")[1]
    recipe = f'a recipe with [[source]] name = "{name}" crawled = "{name}" makes a corpus of it: see docs/recipes.md'
    return [why, recipe, "the same command with --edition NAME, such as a date, fetches what has changed since"]
