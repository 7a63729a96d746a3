"""Real texts changed so that they lie on both sides of one rule's bound: strength 0 to 1, the bound somewhere between."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

Planter = Callable[[str, float, random.Random], str]

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
_NEVER_ENDS = ".!?\"'"


def _mixed(least: float, most: float, strength: float) -> float:
    return least + (most - least) * strength


def _words(change: Callable[[str], str], least: float, most: float) -> Planter:
    """Change a share of the words between `least` and `most`."""

    def plant(text: str, strength: float, chance: random.Random) -> str:
        share = _mixed(least, most, strength)
        lines = ([change(word) if chance.random() < share else word for word in line.split()] for line in text.split("\n"))
        return "\n".join(map(" ".join, lines))

    return plant


def _lines(change: Callable[[str], str], least: float, most: float) -> Planter:
    """Change a share of the lines between `least` and `most`, the first ones."""

    def plant(text: str, strength: float, chance: random.Random) -> str:
        lines = [line for line in text.splitlines() if line.strip()]
        count = round(_mixed(least, most, strength) * len(lines))
        chosen = set(chance.sample(range(len(lines)), count))
        return "\n".join(change(line) if place in chosen else line for place, line in enumerate(lines))

    return plant


def _first_words(least: int, most: int) -> Planter:
    def plant(text: str, strength: float, chance: random.Random) -> str:
        return " ".join(text.split()[: round(_mixed(least, most, strength))])

    return plant


def _joined(text: str, strength: float, chance: random.Random) -> str:
    out: list[str] = []
    for word in text.split():
        if out and word.isalpha() and out[-1].isalpha() and chance.random() < _mixed(0.5, 0.95, strength):
            out[-1] += word
        else:
            out.append(word)
    return " ".join(out)


def _few_stop_words(text: str, strength: float, chance: random.Random) -> str:
    allowed = set(chance.sample(STOP_WORDS, chance.choice((0, 1, 1, 2, 3))))
    return " ".join(word for word in text.split() if word.strip("(),.;:\"'") not in set(STOP_WORDS) - allowed)


def _repeat_lines(separator: str, least: float, most: float) -> Planter:
    """Add repeats of lines until they are a share of all."""

    def plant(text: str, strength: float, chance: random.Random) -> str:
        lines = list(dict.fromkeys(line for line in text.splitlines() if line.strip()))
        share = _mixed(least, most, strength)
        added = [chance.choice(lines) for _ in range(round(share / (1 - share) * len(lines)))]
        return separator.join([*lines, *added])

    return plant


def _one_ngram(n: int, most_share: float) -> Planter:
    """Put one n-gram in among the words until it makes up a share of the characters about the bound."""

    def plant(text: str, strength: float, chance: random.Random) -> str:
        gram = ["harbour", "wall", "under", "repair"][:n]
        words, size = text.split(), len(" ".join(gram)) + 1
        share = _mixed(0.75, 1.5, strength) * most_share
        count = round(share / (1 - share) * len(text) / size)
        places = sorted(chance.choices(range(len(words)), k=count), reverse=True)
        for place in places:
            words[place:place] = gram
        return " ".join(words)

    return plant


def _repeat_spans(text: str, strength: float, chance: random.Random) -> str:
    """Say spans of five to fourteen words again, until they are a share of the text."""
    words = text.split()
    share, out, size = _mixed(0.05, 0.3, strength), list(words), chance.randint(5, 14)
    for _ in range(round(share / (1 - share) * len(words) / size)):
        start, place = chance.randrange(max(1, len(words) - size)), chance.randrange(len(out))
        out[place:place] = words[start : start + size]
    return " ".join(out)


def _insert(*pieces: str) -> Planter:
    """Put one of the pieces into one line of the text, most often one that ends in a full stop."""

    def plant(text: str, strength: float, chance: random.Random) -> str:
        lines = [line for line in text.splitlines() if line.strip()]
        ended = [place for place, line in enumerate(lines) if line.rstrip().endswith(".")]
        place = chance.choice(ended) if ended and chance.random() < 0.95 else chance.randrange(len(lines))
        piece = chance.choice(pieces)
        words = lines[place].split(" ")
        words.insert(chance.randint(0, len(words)), piece)
        lines[place] = " ".join(words)
        return "\n".join(lines)

    return plant


def _few_lines(text: str, strength: float, chance: random.Random) -> str:
    lines = [line for line in text.splitlines() if line.strip().endswith((".", "!", "?"))]
    return "\n".join(lines[: 1 + round(4 * strength)])


def _cut_lines(words: int, least: float, most: float) -> Planter:
    """Cut a share of the lines into pieces of so many words."""

    def cut(line: str) -> str:
        parts = line.split()
        return "\n".join(" ".join(parts[i : i + words]) for i in range(0, len(parts), words))

    return _lines(cut, least, most)


def _repeat_one_line(text: str, strength: float, chance: random.Random) -> str:
    lines = list(dict.fromkeys(line for line in text.splitlines() if line.strip()))
    wanted = _mixed(0.003, 0.017, strength) * sum(map(len, lines))
    best = min(lines, key=lambda line: abs(len(line) - wanted))
    return "\n".join([*lines, best])


def _long_word(text: str, strength: float, chance: random.Random) -> str:
    word = "w" * chance.choice((998, 999, 1000, 1001, 1002, 1500))
    return _insert(word + chance.choice(("", ".", ",")))(text, strength, chance)


# What is planted for the rules of each filter.
PLANTERS: dict[str, Sequence[Planter]] = {
    "gopher_quality": [
        _first_words(25, 65),
        _words(lambda word: word[:2], 0.55, 0.95),
        _joined,
        _words(lambda word: word + " #", 0.05, 0.25),
        _words(lambda word: word + " ...", 0.05, 0.2),
        _words(lambda word: word + "…", 0.05, 0.2),
        _lines(lambda line: "- " + line, 0.8, 1.0),
        _lines(lambda line: " • " + line, 0.8, 1.0),
        _lines(lambda line: line + "...", 0.2, 0.45),
        _lines(lambda line: line + " … ", 0.2, 0.45),
        _words(lambda word: word + " 12", 0.0, 0.25),
        _few_stop_words,
    ],
    "gopher_repetition": [
        _repeat_lines("\n", 0.1, 0.45),
        _repeat_lines("\n\n", 0.1, 0.6),
        *(_one_ngram(n, most) for n, most in ((2, 0.2), (3, 0.18), (4, 0.16))),
        *[_repeat_spans] * 6,
    ],
    "c4": [
        _insert("lorem ipsum", "Lorem Ipsum", "lorem  ipsum"),
        _insert("{", "{x}"),
        _few_lines,
        _long_word,
        _insert("[12]", "[]", "[edit]", "[citation needed]", "[a]"),
        _insert("JavaScript", "javascript.", "Java script"),
        _insert("terms of use", "Privacy Policy", "cookie policy.", "uses cookies", "use of cookies", "use cookies!", "user cookies"),
        _cut_lines(3, 0.0, 0.4),
        _cut_lines(2, 0.0, 0.4),
    ],
    "fineweb_quality": [
        _lines(lambda line: line.rstrip(_NEVER_ENDS) + ",", 0.8, 1.0),
        _cut_lines(4, 0.1, 0.4),
        _repeat_one_line,
        _cut_lines(2, 0.4, 1.0),
    ],
}


def long_text(texts: Sequence[str], words: int) -> str:
    """A text of so many words between white space, of several."""
    out: list[str] = []
    for text in texts:
        out += text.split()
        if len(out) >= words:
            break
    return " ".join(out[:words])
