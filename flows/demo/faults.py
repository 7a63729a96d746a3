"""The faults planted in the demo's site, and what must become of each: truth that tables of fates and a crawl log are held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from flows.demo import texts

Fate = Literal["kept", "one kept", "dropped", "decided", "absent"]

TOLERANCE = 0.03  # of a measured similarity: extraction may lose or add a line
OVERLAP = "split.overlap"  # leaves a kept document out of training alone, for its likeness to a held-out one


@dataclass(frozen=True)
class Expected:
    """What must become of a fault's pages.

    `fate` is that of every page: `kept`; `dropped`; `decided`, either; `absent`, no record at all; or `one kept`: of the
    fault's pages exactly one, and each other one dropped for a page of this fault. `outcome` is the crawl log's.
    """

    fate: Fate
    outcome: str = "fetched"
    rules: tuple[str, ...] = ()  # any one of them must be the rule of a dropped page; a kept page may fall to OVERLAP where it stands here
    status: int | None = None  # of the HTTP response
    similarity: float | None = None  # Jaccard of word 5-grams, of those dropped for another
    contains: tuple[str, ...] = ()  # of the text, where the page has one
    lacks: tuple[str, ...] = ()  # of the text, where the page has one

    def __str__(self) -> str:
        """In a few words, for a table."""
        if self.fate == "absent":
            return f"not kept by the crawl: {self.outcome}" + (f" {self.status}" if self.status else "")
        rules = " or ".join(self.rules)
        words = {
            "kept": "kept" + (f", or {rules}" if rules else ""),
            "dropped": f"dropped: {rules}",
            "decided": "any fate",
            "one kept": f"all but one dropped: {rules}" + (f" at {self.similarity:.2f}" if self.similarity is not None else ""),
        }
        return words[self.fate]


@dataclass(frozen=True)
class Fault:
    """One planted fault. `paths` are of the demo's site; one that ends in `*` stands for at least one URL that begins so."""

    name: str
    description: str
    paths: tuple[str, ...]
    expected: Expected


@dataclass(frozen=True)
class Seen:
    """What became of one URL of the site, in the crawl log and in the fates. `kept` is None where there is no record."""

    outcome: str
    status: int | None = None
    kept: bool | None = None
    rule: str | None = None
    duplicate_of: str | None = None  # the twin's path
    similarity: float | None = None
    text: str | None = None


@dataclass(frozen=True)
class Near:
    """A planted near-duplicate: the article at `base` with some sentences rewritten until `similarity` is reached."""

    base: str  # of `texts/en`
    similarity: float

    @property
    def path(self) -> str:
        """Where the rewritten page lies."""
        return f"/revised/{self.base}.html"


NEAR = (Near("bees", 0.95), Near("canals", 0.88), Near("coffee", 0.72), Near("owls", 0.55), Near("rivers", 0.35))


def _near(near: Near) -> Fault:
    if near.similarity >= 0.8:
        expected = Expected("one kept", rules=("near.duplicate",), similarity=near.similarity)
    else:
        expected = Expected("kept", rules=(OVERLAP,) if near.similarity >= 0.5 else ())
    paths = (f"/articles/{near.base}.html", near.path)
    return Fault(f"near-duplicate at {near.similarity:.2f}", "some sentences of an article rewritten", paths, expected)


def _dropped(name: str, description: str, path: str, *rules: str) -> Fault:
    return Fault(name, description, (f"/odd/{path}.html",), Expected("dropped", rules=rules))


def _absent(name: str, description: str, outcome: str, *paths: str, status: int | None = None) -> Fault:
    return Fault(name, description, paths, Expected("absent", outcome, status=status))


_FOREIGN = tuple(f"/{language}/{name}.html" for language in texts.LANGUAGES for name in texts.articles(language))

FAULTS: tuple[Fault, ...] = (
    *(_near(near) for near in NEAR),
    Fault(
        "exact copies",
        "one article under three addresses, once with other white space",
        ("/articles/glass.html", "/print/glass.html", "/mirror/glass.html"),
        Expected("one kept", rules=("exact.duplicate",), similarity=1.0),
    ),
    Fault(
        "mojibake",
        "UTF-8 that was read as Windows-1252 and written as UTF-8 again",
        ("/odd/cafe.html",),
        Expected("kept", contains=("A naïve young engineer named André once offered to measure everything",)),
    ),
    Fault(
        "double mojibake",
        "the same accident twice over",
        ("/odd/museum.html",),
        Expected("kept", contains=("It had been sewn to the coat of a sailor from Ærøskøbing, who cut it off",)),
    ),
    Fault(
        "UTF-8 declared as Latin-1",
        "the charset of the header is wrong",
        ("/odd/menu.html",),
        Expected("kept", contains=("The roast was a duck from Nantes", "the cook, who is from Kraków, has promised to try the kümmel")),
    ),
    Fault(
        "Windows-1252 declared as UTF-8",
        "the charset of the header and of the page is wrong",
        ("/odd/letters.html",),
        Expected("kept", contains=("she liked his name, which was René Gérard Béchamp, and she wished to practise her English",)),
    ),
    Fault("other languages", "articles in seven of them", _FOREIGN, Expected("dropped", rules=("language.code.in",))),
    Fault(
        "cookie banner",
        "menus, banner and footer around an article",
        ("/articles/bridges.html", "/articles/tides.html"),
        Expected("kept", lacks=("cookies", "Imprint")),
    ),
    _dropped("nothing but menus", "a page of menus around one sentence", "sections", "gopher_quality.words.min"),
    _dropped("stub", "a page under construction", "stub", "gopher_quality.words.min"),
    _dropped("empty application", "nothing without its script", "application", "extract.empty"),
    _dropped("binary as HTML", "the bytes of a PDF served as text/html", "brochure", "extract.not_html"),
    _dropped("keyword spam", "two words over and over", "spam", "gopher_repetition.top_2gram_char_ratio.max"),
    _dropped("repeated sentences", "some come again within a paragraph", "repeats", "gopher_repetition.duplicate_5gram_char_ratio.max"),
    _dropped("repeated paragraphs", "one paragraph four times over", "stutter", "gopher_repetition.duplicate_paragraph_ratio.max"),
    _dropped("list of links", "titles of other pages below one sentence", "links", "gopher_quality.words.min"),
    _dropped("bullets", "an inventory, each line with its bullet", "inventory", "gopher_quality.bullet_line_ratio.max"),
    _dropped("teasers", "every paragraph ends in an ellipsis", "teasers", "gopher_quality.ellipsis_line_ratio.max"),
    _dropped("hash marks", "a text strewn with tags", "hashtags", "gopher_quality.hash_ratio.max"),
    _dropped("numbers", "a page of figures", "numbers", "language.code.in"),
    _dropped("shouting", "capitals alone", "shouting", "gopher_quality.stop_words.min"),
    _dropped("telegram style", "English without its small words", "telegram", "gopher_quality.stop_words.min"),
    Fault(
        "personal data",
        "a page with e-mail addresses, telephone numbers and a bank account",
        ("/odd/directory.html",),
        Expected("kept", contains=("margaret.ellwood@choir.example.org", "GB82 WEST 1234 5698 7654 32")),
    ),
    Fault("unclosed tags", "tags left open, and bytes that are no text", ("/odd/unclosed.html",), Expected("decided")),
    _absent("disallowed by robots.txt", "linked from other pages", "robots", "/private/ledger.html", "/private/minutes.html"),
    _absent("noindex", "asks in its head, or in a header, not to be kept", "noindex", "/odd/unlisted.html", "/odd/reserved.html"),
    _absent("nofollow", "no link to it may be followed", "nofollow", "/odd/guestbook.html"),
    _absent("redirect", "an old address of an article", "redirect", "/old/tides.html", status=301),
    _absent("broken off", "the connection ends before the page does", "error", "/odd/halfway.html"),
    _absent("missing", "a dead link", "status", "/odd/missing.html", status=404),
    _absent("server error", "a page that fails", "status", "/odd/failing.html", status=500),
    Fault(
        "calendar page",
        "a month of the calendar, too short to keep",
        ("/calendar/2026/11/",),
        Expected("dropped", rules=("gopher_quality.words.min",)),
    ),
    _absent("endless calendar", "every month leads to the next, for ever", "trap", "/calendar/*"),
)


def disagreements(fault: Fault, seen: Mapping[str, Seen]) -> list[str]:
    """Where what was seen, by path, is not what must become of the fault: one line each, none where all is well."""
    wrong = []
    for path in fault.paths:
        if path.endswith("*"):
            if not any(_agrees(fault, each) for at, each in seen.items() if at.startswith(path[:-1])):
                wrong.append(f"{path}: no URL is {fault.expected}")
        elif path not in seen:
            wrong.append(f"{path}: not in the crawl log")
        elif not _agrees(fault, seen[path]):
            wrong.append(f"{path}: expected {fault.expected}, not {seen[path]}")
    kept = [path for path in fault.paths if path in seen and seen[path].kept]
    if fault.expected.fate == "one kept" and len(kept) != 1:
        wrong.append(f"{', '.join(fault.paths)}: expected one to be kept, not {len(kept)}")
    return wrong


def _agrees(fault: Fault, seen: Seen) -> bool:
    expected = fault.expected
    reached = seen.outcome == expected.outcome and expected.status in (None, seen.status)
    return reached and _has_fate(fault, seen) and (seen.text is None or _reads(expected, seen.text))


def _reads(expected: Expected, text: str) -> bool:
    return all(part in text for part in expected.contains) and not any(part in text for part in expected.lacks)


def _has_fate(fault: Fault, seen: Seen) -> bool:
    expected = fault.expected
    if expected.fate == "absent":
        return seen.kept is None
    if seen.kept is None:
        return False
    by_rule = not seen.kept and seen.rule in expected.rules
    match expected.fate:
        case "decided":
            return True
        case "dropped":
            return by_rule
        case "kept":
            return seen.kept or by_rule
        case "one kept":
            return seen.kept or (by_rule and seen.duplicate_of in fault.paths and _near_enough(expected, seen))
    raise ValueError(f"fate: {expected.fate!r}")


def _near_enough(expected: Expected, seen: Seen) -> bool:
    if expected.similarity is None or seen.similarity is None:
        return expected.similarity is seen.similarity
    return abs(expected.similarity - seen.similarity) <= TOLERANCE
