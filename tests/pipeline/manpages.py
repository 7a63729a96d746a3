"""Texts whose language is known: the prose of Debian's translated manual pages.

    python tests/pipeline/manpages.py FOLDER

downloads the packages `manpages-*` into FOLDER (`apt-get download`, on Debian or a system like it, no root), renders their pages
with groff and writes FOLDER/manpages.jsonl, a page a line: language, page, paragraphs.

A page is no label where it is not translated, and translators leave much as it was. What says so is independent of any
detector: a paragraph that stands in two languages' pages, letter for letter, or in the English original's, was not translated;
nor was one in Latin letters alone, of a language that has other ones; nor one with a word that only English has.
Such paragraphs go, and pages where they are many go whole.
Prose are the paragraphs that end as sentences do and are mostly letters. English pages are the originals themselves.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

NAME = "manpages.jsonl"
MOST_PAGES = 120  # of a language
MOST_UNTRANSLATED = 0.2  # of a page's prose, by characters
LEAST_CHARS, LEAST_CHARS_UNSPACED = 80, 40  # of a paragraph
LEAST_LETTERS = 0.9  # of a paragraph's characters but white space and the commonest marks
UNSPACED = {"ja", "zh"}
NOT_LATIN = {"el", "ja", "mk", "ru", "sr", "uk", "zh"}
ENGLISH = {"the", "this", "that", "these", "with", "from", "which", "will"}
ENDS = tuple(".。:!?…：！？")  # noqa: RUF001  # as Chinese and Japanese sentences end

# What a folder of `/usr/share/man` is called by every detector: ISO 639-1, both Norwegians and all Chinese in one.
LABELS = {"nb": "no", "nn": "no", "pt_BR": "pt", "zh_CN": "zh", "zh_TW": "zh"}

_RENDER = ["groff", "-Kutf8", "-t", "-man", "-Tutf8", "-P-cbou", "-rLL=100000n", "-rHY=0", "-dAD=l"]


class Page(NamedTuple):
    """The prose of one page."""

    language: str
    name: str
    paragraphs: list[str]


def build(folder: Path) -> Path:
    """Download, render, choose and write; the file's path."""
    folder.mkdir(parents=True, exist_ok=True)
    _download(folder / "packages", folder / "root")
    found = [(path, language) for language, paths in _sources(folder / "root").items() for path in paths]
    with ThreadPoolExecutor() as pool:
        pages = list(pool.map(lambda source: _render(*source), found))
    kept = translated([page for page in pages if page.paragraphs])
    target = folder / NAME
    target.write_text("".join(json.dumps(page._asdict(), ensure_ascii=False) + "\n" for page in kept))
    return target


def load(folder: Path) -> list[Page]:
    """The pages that `build` wrote."""
    return [Page(**json.loads(line)) for line in (folder / NAME).read_text().splitlines()]


def translated(pages: list[Page]) -> list[Page]:
    """The pages without the paragraphs that are not translated; those that have many are left out."""
    languages: dict[str, set[str]] = defaultdict(set)
    for page in pages:
        for paragraph in page.paragraphs:
            languages[paragraph].add(page.language)
    kept = []
    for page in pages:
        own = [each for each in page.paragraphs if page.language == "en" or (len(languages[each]) == 1 and _is_own(each, page.language))]
        if _chars(own) >= (1 - MOST_UNTRANSLATED) * _chars(page.paragraphs):
            kept.append(page._replace(paragraphs=own))
    return kept


def _chars(paragraphs: list[str]) -> int:
    return sum(map(len, paragraphs))


def _is_own(paragraph: str, language: str) -> bool:
    in_script = language not in NOT_LATIN or any(letter.isalpha() and ord(letter) >= 0x370 for letter in paragraph)
    return in_script and not ENGLISH & set(paragraph.split())


def _download(packages: Path, root: Path) -> None:
    """All of `manpages` and `manpages-*`, unpacked."""
    packages.mkdir(exist_ok=True)
    said = subprocess.run(["apt-cache", "search", "--names-only", "^manpages"], check=True, capture_output=True, text=True).stdout
    names = [line.split()[0] for line in said.splitlines() if "posix" not in line]
    subprocess.run(["apt-get", "download", "-qq", *names], check=True, cwd=packages)
    for package in sorted(packages.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", package, root], check=True)


def _sources(root: Path) -> dict[str, list[Path]]:
    """The files of each language, chosen by their names: so languages have the same pages, where they have them."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in (root / "usr/share/man").rglob("*.gz"):
        folder = path.parent.parent.name
        language = "en" if folder == "man" else LABELS.get(folder, folder.partition("_")[0])
        if path.is_file() and not path.is_symlink():
            found[language].append(path)
    return {
        language: sorted(paths, key=lambda path: (hashlib.sha256(path.name.encode()).digest(), str(path)))[:MOST_PAGES]
        for language, paths in sorted(found.items())
    }


def _render(path: Path, language: str) -> Page:
    source = gzip.decompress(path.read_bytes())
    done = subprocess.run(_RENDER, input=source, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    lines = (" ".join(line.split()) for line in done.stdout.decode(errors="replace").splitlines())
    return Page(language, path.name.removesuffix(".gz"), list(dict.fromkeys(line for line in lines if is_prose(line, language))))


def is_prose(line: str, language: str) -> bool:
    """Whether a line, which is a paragraph, is text to be read: long enough, ending as sentences do, mostly letters."""
    least = LEAST_CHARS_UNSPACED if language in UNSPACED else LEAST_CHARS
    if len(line) < least or not line.endswith(ENDS):
        return False
    solid = [character for character in line if not character.isspace() and character not in ".,、。"]
    # Vowel signs and tones count with the letters that they stand on.
    return sum(character.isalpha() for character in solid) >= LEAST_LETTERS * len(solid)


if __name__ == "__main__":
    made = build(Path(sys.argv[1]))
    counts = Counter(page.language for page in load(made.parent))
    print(made, dict(sorted(counts.items())))
