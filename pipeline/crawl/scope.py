"""Which URLs belong to a crawl, by the URL alone: the answer depends on no order of discovery."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from fnmatch import translate
from glob import escape

from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.urls import Url

Verdict = tuple[str, str]  # outcome, detail


class Scope:
    """The configured limits on hosts, patterns and traps."""

    def __init__(self, config: CrawlConfig) -> None:
        self._config = config
        self._seeds = frozenset(config.seed_urls())
        self._seed_hosts = frozenset(seed.host for seed in self._seeds)
        hosts = config.hosts or tuple(escape(name) for seed in self._seeds for name in _with_www(seed.host))
        self._hosts = _globs(hosts)
        self._include, self._exclude = _globs(config.include), _globs(config.exclude)

    def refusal(self, url: Url) -> Verdict | None:
        """Why a URL is no part of the crawl, as outcome and detail; None where it is. Seeds always are."""
        if url in self._seeds:
            return None
        return self._elsewhere(url) or self._trap(url) or self._file_type(url)

    def covers(self, url: Url) -> bool:
        """Whether the URL's host is one that the crawl may connect to."""
        return url.host in self._seed_hosts or bool(self._hosts.match(url.host))

    def _elsewhere(self, url: Url) -> Verdict | None:
        if not self._hosts.match(url.host):
            return "scope", "host"
        if self._config.include and not self._named(self._include, url):
            return "scope", "matches nothing of include"
        if self._config.exclude and self._named(self._exclude, url):
            return "scope", "exclude"
        return None

    def _named(self, globs: re.Pattern[str], url: Url) -> bool:
        return bool(globs.match(url.text) or globs.match(url.target))

    def _trap(self, url: Url) -> Verdict | None:
        config = self._config
        if len(url.text) > config.max_url_chars:
            return "trap", f"longer than {config.max_url_chars} characters"
        segments = [segment for segment in url.path.split("/") if segment]
        if len(segments) > config.max_path_segments:
            return "trap", f"deeper than {config.max_path_segments} path segments"
        if len(segments) > config.max_segment_repeats and Counter(segments).most_common(1)[0][1] > config.max_segment_repeats:
            return "trap", f"a path segment more than {config.max_segment_repeats} times"
        return None

    def _file_type(self, url: Url) -> Verdict | None:
        name = url.path.rpartition("/")[2].lower()
        if "." in name and name.endswith(self._config.skip_suffixes):
            return "content_type", "by its suffix"
        return None


def _globs(globs: Iterable[str]) -> re.Pattern[str]:
    # Without globs: matches nothing. `fnmatch.translate` makes atomic groups, so matching time is bounded.
    return re.compile("|".join(translate(glob) for glob in sorted(globs)) or r"(?!)")


def _with_www(host: str) -> tuple[str, str]:
    bare = host.removeprefix("www.")
    return bare, f"www.{bare}"
