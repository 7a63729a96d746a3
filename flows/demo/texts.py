"""The site's own prose: articles in a plain markup, and pages composed from sentence variants.

The markup: `# title`, `## heading`, `- item`, `1. item`, `| a | b |`, fences of three back quotes, and paragraphs, with an
empty line between blocks.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import count
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "texts"
LANGUAGES = ("de", "es", "fr", "it", "ja", "nl", "ru")  # besides English
GENRES = ("towns", "walks", "workshops")
PAGES_A_GENRE = 14  # at most VARIANTS squared
VARIANTS = 5  # of every sentence in a grammar

Grammar = dict[str, Any]

_ITEM = re.compile(r"(?:-|\d+\.) (.*)", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A paragraph, heading, table or code (one string each), or a list (one string an item)."""

    tag: str  # p | h2 | ul | ol | table | pre
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Article:
    """One page's own text."""

    language: str
    title: str
    blocks: tuple[Block, ...]


def read(path: Path, language: str) -> Article:
    """The article in a file of the markup."""
    title, *rest = re.split(r"\n\n+", path.read_text("utf-8").strip())
    return Article(language, title.removeprefix("# "), tuple(_block(source, "" if language == "ja" else " ") for source in rest))


def _block(source: str, joiner: str) -> Block:
    lines = source.split("\n")
    if source.startswith("```"):
        return Block("pre", ("\n".join(lines[1:-1]),))
    if source.startswith("|"):
        return Block("table", (source,))
    if source.startswith("## "):
        return Block("h2", (source.removeprefix("## "),))
    if _ITEM.match(source):
        items = re.split(r"\n(?=(?:-|\d+\.) )", source)
        return Block("ul" if source.startswith("-") else "ol", tuple(_ITEM.sub(r"\1", item).replace("\n", " ") for item in items))
    return Block("p", (joiner.join(lines),))


def articles(language: str) -> dict[str, Article]:
    """The articles of one language by file name."""
    return {path.stem: read(path, language) for path in sorted((FOLDER / language).glob("*.md"))}


def planted(name: str) -> Article:
    """The English text of one planted fault."""
    return read(FOLDER / "planted" / f"{name}.md", "en")


def reserve() -> list[str]:
    """Sentences that fit anywhere and stand in no article."""
    return (FOLDER / "reserve.txt").read_text("utf-8").splitlines()


def composed(genre: str, seed: int) -> list[Article]:
    """PAGES_A_GENRE English articles of one genre: each takes one variant of every sentence and its own names."""
    grammar = tomllib.loads((FOLDER / "grammar" / f"{genre}.toml").read_text("utf-8"))
    chance = chance_of(seed, genre)
    names = {kind: _dealt(values, chance) for kind, values in grammar["names"].items()}
    turns = [chance.randrange(VARIANTS) for part in grammar["part"] for _ in part["sentences"]]
    return [_compose(grammar, {kind: own[page] for kind, own in names.items()}, turns, page) for page in range(PAGES_A_GENRE)]


def chance_of(seed: int, name: str) -> random.Random:
    """The source of all that is left to chance in something of that name."""
    return random.Random(f"{seed} {name}")  # noqa: S311 (repeatable, which is the point)


def _dealt(values: list[str], chance: random.Random) -> list[str]:
    """One value a page, none used again before all have been."""
    deck: list[str] = []
    while len(deck) < PAGES_A_GENRE:
        deck += chance.sample(values, len(values))
    return deck[:PAGES_A_GENRE]


def _compose(grammar: Grammar, names: dict[str, str], turns: list[int], page: int) -> Article:
    blocks = []
    place = count()
    for part in grammar["part"]:
        if part["heading"]:
            blocks.append(Block("h2", (part["heading"].format_map(names),)))
        chosen = [variants[_variant(page, slot, turns[slot])] for variants, slot in zip(part["sentences"], place, strict=False)]
        written = [sentence.format_map(names) for sentence in chosen]
        blocks.append(Block("p", (" ".join(sentence[0].upper() + sentence[1:] for sentence in written),)))
    return Article("en", grammar["title"].format_map(names), tuple(blocks))


def _variant(page: int, slot: int, turn: int) -> int:
    """Which variant of a slot's sentence a page takes.

    A page is a point of the plane over the integers modulo VARIANTS, a prime, and a slot one of its VARIANTS + 1 directions:
    two pages then agree in one slot out of VARIANTS + 1, whichever pages they are.
    """
    across, up = divmod(page, VARIANTS)
    direction = slot % (VARIANTS + 1)
    return (turn + (across if direction == VARIANTS else up + direction * across)) % VARIANTS


def plain(article: Article) -> str:
    """The article as text alone, blocks apart by an empty line."""
    return "\n\n".join([article.title, *("\n".join(block.parts) for block in article.blocks)])


def html(article: Article) -> str:
    """The article as the inside of an `<article>` element."""
    return "\n".join([f"<h1>{escape(article.title, quote=False)}</h1>", *map(_html, article.blocks)])


def _html(block: Block) -> str:
    parts = [escape(part, quote=False) for part in block.parts]
    if block.tag in ("ul", "ol"):
        return f"<{block.tag}>\n" + "\n".join(f"<li>{part}</li>" for part in parts) + f"\n</{block.tag}>"
    if block.tag == "table":
        return _table(parts[0])
    if block.tag == "pre":
        return f"<pre><code>{parts[0]}</code></pre>"
    return f"<{block.tag}>{parts[0]}</{block.tag}>"


def _table(source: str) -> str:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in source.split("\n")]
    head, _, *body = rows
    lines = ["<tr>" + "".join(f"<th>{cell}</th>" for cell in head) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in body]
    return "<table>\n" + "\n".join(lines) + "\n</table>"


_SENTENCE = re.compile(r"(?<=[.!?]) (?=[A-Z])")


def sentences(article: Article) -> Iterator[tuple[int, int, str]]:
    """Every sentence of the paragraphs, as (block, place in the block, sentence)."""
    for number, block in enumerate(article.blocks):
        if block.tag == "p":
            for place, sentence in enumerate(_SENTENCE.split(block.parts[0])):
                yield number, place, sentence


def rewritten(article: Article, changes: dict[tuple[int, int], str]) -> Article:
    """The article with some sentences, named by (block, place in the block), put in other words."""
    blocks = [list(_SENTENCE.split(block.parts[0])) if block.tag == "p" else [] for block in article.blocks]
    for (number, place), sentence in changes.items():
        blocks[number][place] = sentence
    new = tuple(Block("p", (" ".join(own),)) if own else block for own, block in zip(blocks, article.blocks, strict=True))
    return Article(article.language, article.title, new)
