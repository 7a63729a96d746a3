"""Addresses against lists of domains, hosts, addresses and words."""

# ruff: noqa: RUF001  # addresses in other scripts

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import ada_url
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nasty import NASTY_URLS, url_batch

from pipeline import schema
from pipeline.bounds import broken
from pipeline.decide import decide
from pipeline.recipe import Recipe
from pipeline.shard import Passage, signals_schema
from pipeline.steps import url_blocklist
from pipeline.steps.url_blocklist import Config

# With the lists of `tests/pipeline/lists`.
CASES = {
    "domain.in": ("https://unblocked.example/", "https://not.blocked.example/"),
    "host.in": ("https://half.example/", "https://www.half.example/"),
    "url.in": ("https://half.example/page/2", "https://half.example/page"),
    "hard_word.in": ("https://a.example/casinos", "https://a.example/a_CASINO"),
    "subword.in": ("https://a.example/free-mone", "https://a.example/for-free-moneymakers"),
    "soft_words.max": ("https://win.example/win-win", "https://win.example/a%20bet"),
}

KINDS = ("domains", "hosts", "urls", "hard_words", "subwords", "soft_words")
FREE: dict[str, Any] = {**dict.fromkeys(url_blocklist.SIGNALS), "soft_words": 0}

Look = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def look(tmp_path_factory: pytest.TempPathFactory) -> Look:
    """Look addresses up in lists, each given as a text; the signals of each."""
    folder = tmp_path_factory.mktemp("lists")

    def look(*urls: str | None, **lists: str) -> list[dict[str, Any]]:
        paths = {}
        for kind, content in lists.items():
            path = folder / f"{kind}-{abs(hash(content))}"
            path.write_text(content)
            paths[kind] = str(path)
        result = url_blocklist.run(url_batch(list(urls)), Config(**paths))
        columns = {name: array.to_pylist() for name, array in result.signals.items()}
        return [{name: values[row] for name, values in columns.items()} for row in range(len(urls))]

    return look


@pytest.mark.parametrize(
    ("host", "entry"),
    [
        ("bad.example", "bad.example"),
        ("www.bad.example", "bad.example"),
        ("a.b.c.bad.example", "bad.example"),
        ("BAD.example.", "bad.example"),
        ("notbad.example", None),
        ("bad.example.org", None),
        ("example", None),
        ("any.zone", "zone"),
        ("x.münchen.example", "xn--mnchen-3ya.example"),
        ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
        ("192.0.2.7", "192.0.2.7"),
        ("3221225991", "192.0.2.7"),
        ("192.0.2.8", None),
        ("[2001:DB8::1]", "[2001:db8::1]"),
        ("user:name@bad.example:81", "bad.example"),
    ],
)
def test_a_domain_bans_what_is_under_it(look: Look, host: str, entry: str | None) -> None:
    domains = "bad.example\nzone\nMÜNCHEN.example\n192.0.2.7\n[2001:db8:0::1]\n0.2.8\n"
    assert look(f"https://{host}/page", domains=domains) == [{**FREE, "domain": entry}]


def test_the_narrowest_domain_is_named(look: Look) -> None:
    urls = ("http://free.example", "http://a.b.example", None, "http://d.c.example", "http://b.example")
    found = look(*urls, domains="b.example\nc.example\na.b.example")
    assert [row["domain"] for row in found] == [None, "a.b.example", None, "c.example", "b.example"]


def test_a_host_bans_itself_alone(look: Look) -> None:
    urls = ("https://www.bad.example/", "https://bad.example/", "https://a.www.bad.example/", "http://WWW.bad.example:8080/x?y")
    assert [row["host"] for row in look(*urls, hosts="www.bad.example")] == ["www.bad.example", None, None, "www.bad.example"]


@pytest.mark.parametrize(
    ("url", "banned"),
    [
        ("http://a.example/x/y?z=1", True),
        ("https://A.example:443/x/y?z=1#part", True),
        ("https://a.example/x/y/?z=1", True),
        ("a.example/x/y?z=1", True),
        ("https://a.example/x/y?z=2", False),
        ("https://a.example/x/y", False),
        ("https://a.example/X/y?z=1", False),
        ("https://www.a.example/x/y?z=1", False),
        ("https://a.example:8443/x/y?z=1", False),
        ("https://b.example/", True),
        ("https://b.example/x", False),
    ],
)
def test_an_address_bans_itself_alone(look: Look, url: str, banned: bool) -> None:
    (found,) = look(url, urls="https://a.example/x/y?z=1\nb.example")
    assert (found["url"] is not None) == banned


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("https://a.example/the-casino", "Casino"),
        ("https://casino.example/", "Casino"),
        ("https://a.example/x?q=CASINO#x", "Casino"),
        ("https://a.example/x#casino", "Casino"),
        ("https://a.example/%63asino", "Casino"),
        ("https://a.example/a_casino_b", "Casino"),
        ("https://a.example/casinos", None),
        ("https://a.example/cas-ino", None),
        ("https://casino@a.example/", None),
        ("https://xn--f1aqm.example/", None),
        ("https://жуть.example/", "жуть"),
        ("https://a.example/%D0%B6%D1%83%D1%82%D1%8C", "жуть"),
        ("https://a.example/e-mail", "e-mail"),
        ("no address, but a casino", "Casino"),
    ],
)
def test_a_hard_word_bans_anywhere_in_the_address(look: Look, url: str, word: str | None) -> None:
    assert look(url, hard_words="Casino\nжуть\ne-mail\n") == [{**FREE, "hard_word": word}]


def test_a_subword_bans_within_words_and_across_them(look: Look) -> None:
    urls = ("https://foobann.edsub-wo.rdbar.example/", "https://a.example/xxBannedSubWordxx", "https://a.example/banned-sub/ord")
    assert [row["subword"] for row in look(*urls, subwords="banned-subword")] == ["banned-subword", "banned-subword", None]


def test_soft_words_count_once_each(look: Look) -> None:
    urls = ("https://a.example/bet", "https://bet.example/bet-bet", "https://bet.example/win", "https://a.example/bets")
    assert [row["soft_words"] for row in look(*urls, soft_words="bet\nwin\nprize")] == [1, 1, 2, 0]


def test_a_row_without_an_address_is_kept(look: Look) -> None:
    lists = dict.fromkeys(KINDS, "a.example")
    assert look(None, "", **lists) == [FREE, FREE]
    for signal, bound in url_blocklist.BOUNDS.items():
        values = url_blocklist.run(url_batch([None]), Config()).signals[signal]
        assert not any(out.any() for out, _ in broken(bound, values, None).values())


def test_a_recipe_excepts_an_entry(load: Callable[..., Recipe], tmp_path: Path) -> None:
    (tmp_path / "d.txt").write_text("a.example\nb.example\n")
    text = '[[step]]\nuse = "url_blocklist"\ndomains = "d.txt"\nkeep.domain = { in = ["a.example"] }\n'
    (use,) = load(text).steps
    found = url_blocklist.run(url_batch(["http://a.example", "http://b.example", None]), use.config)  # type: ignore[arg-type]
    out, _ = broken(use.bounds["domain"], found.signals["domain"], None)["in"]
    assert out.tolist() == [False, True, False]


def test_a_fate_names_the_entry(load: Callable[..., Recipe], tmp_path: Path) -> None:
    (tmp_path / "d.txt").write_text("bad.example\n")
    steps = load('[[step]]\nuse = "url_blocklist"\ndomains = "d.txt"\ngate = true\n').steps
    batch = url_batch(["http://www.bad.example/x", None])
    passage = Passage(batch)
    passage.apply(steps[0])
    signals = pa.Table.from_batches([passage.signals(signals_schema(steps))])
    fates = decide(pa.Table.from_batches([batch.select(schema.RECORDS.names)]), signals, steps).to_pylist()
    assert [(row["rule"], row["detail"], row["gated_by"]) for row in fates] == [
        ("url_blocklist.domain.in", "bad.example", "url_blocklist"),
        (None, None, None),
    ]


@pytest.mark.parametrize(
    ("kind", "entry", "expected"),
    [
        *[
            (kind, entry, "a domain such as example.org")
            for kind in ("domains", "hosts")
            for entry in (
                "http://a.example", "a.example/x", "*.a.example", ".a.example", "a..example", "0.0.0.0 a.example", "a.example:80",
                "me@a.example", "||a.example^", "[::1", "999.1.1.1", "a<b",
            )
        ],
        ("urls", "two words", "an address such as example.org/page"),
        ("urls", "https://", "an address such as example.org/page"),
        ("hard_words", "--", "a word of letters or digits"),
        ("subwords", "_", "a word of letters or digits"),
    ],
)  # fmt: skip
def test_an_entry_that_cannot_be_read_is_named_with_its_line(look: Look, kind: str, entry: str, expected: str) -> None:
    with pytest.raises(ValueError, match=rf"{kind}-\d+, line 3: expected {re.escape(expected)}, not '{re.escape(entry)}'$"):
        look("https://a.example", **{kind: f"# a list\ngood\n  {entry}\t# why\n"})


def _in_python(url: str, domains: set[str], words: set[str]) -> tuple[bool, bool]:
    """Whether a URL is under a domain, and whether it has a word, for URLs that are well formed."""
    parsed = ada_url.URL(url)
    labels = parsed.hostname.removesuffix(".").split(".")
    shown = f"{parsed.hostname} {unquote(parsed.pathname + parsed.search + parsed.hash)}"
    found = re.split(r"[\W_]+", unicodedata.normalize("NFC", shown).casefold())
    return any(".".join(labels[place:]) in domains for place in range(len(labels))), not words.isdisjoint(found)


_LABELS = st.lists(st.sampled_from(["a", "b", "bad", "x-y", "example", "A"]), min_size=1, max_size=5).map(".".join)
_PATHS = st.lists(st.sampled_from(["/", "bad", "Bad", "-", "_", "%42ad", "?", "#", "é", "%C3%A9", "good", "7"]), max_size=8).map("".join)


@given(_LABELS, _PATHS)
@settings(max_examples=200)
def test_domains_and_words_of_any_address_equal_plain_python(look: Look, host: str, path: str) -> None:
    url = f"https://{host}/{path}"
    (found,) = look(url, domains="b.example\nbad\na.b\n", hard_words="bad\né7")
    assert (found["domain"] is not None, found["hard_word"] is not None) == _in_python(url, {"b.example", "bad", "a.b"}, {"bad", "é7"})


@pytest.mark.parametrize("name", [name for name, url in NASTY_URLS.items() if url and len(url) > 10_000])
def test_time_grows_with_the_address_alone(look: Look, name: str) -> None:
    lists = dict.fromkeys(KINDS, "blocked.example")
    look("https://a.example", **lists)
    start = time.process_time()
    look(NASTY_URLS[name], **lists)
    assert time.process_time() - start < 2


def test_a_list_of_many_is_read_once(look: Look, tmp_path: Path) -> None:
    path = tmp_path / "many"
    path.write_text("".join(f"d{number}.example\n" for number in range(200_000)))
    config, batch = Config(domains=str(path)), url_batch(["https://www.d199999.example/", "https://d200000.example/"])
    assert url_blocklist.run(batch, config).signals["domain"].to_pylist() == ["d199999.example", None]
    start = time.process_time()
    url_blocklist.run(batch, config)
    assert time.process_time() - start < 0.1
