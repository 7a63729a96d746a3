"""Two kinds of texts, each by a grammar of its own, and small models that are trained on them."""

from __future__ import annotations

import random
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.models import classifier, file, perplexity
from pipeline.models.texts import draw

_SHARED = "the of and to in with for that was had is on by from this".split()  # noqa: SIM905
_SEA = "harbour boat tide sail anchor storm wave captain rope quay gull island crew mast wind".split()  # noqa: SIM905
_FARM = "field plough barn harvest cattle meadow orchard fence tractor grain hay shepherd soil mill goat".split()  # noqa: SIM905


def sea(count: int, seed: int = 1) -> list[str]:
    """Texts about the sea, in which some words come from the farm."""
    return _texts(_SEA, _FARM, count, seed)


def farm(count: int, seed: int = 2) -> list[str]:
    """Texts about the farm, in which some words come from the sea."""
    return _texts(_FARM, _SEA, count, seed)


def _texts(own: list[str], other: list[str], count: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    return [_text(own, other, chance, chance.randint(20, 60)) for _ in range(count)]


def _text(own: list[str], other: list[str], chance: random.Random, words: int) -> str:
    lists = chance.choices([_SHARED, own, other], [6, 3, 1], k=words)
    return " ".join(chance.choice(each) for each in lists) + "."


def mislabelled(share: float, count: int) -> tuple[list[str], list[str]]:
    """Texts of the sea and of the farm, a share of each given for the other."""
    of_sea, of_farm, wrong = sea(count), farm(count), int(share * count)
    return of_sea[wrong:] + of_farm[:wrong], of_farm[wrong:] + of_sea[:wrong]


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()  # kept as long as the process is there


@cache
def classifier_file() -> Path:
    """A small classifier that calls texts about the sea good."""
    path = Path(_folder().name) / "classifier.safetensors"
    facts, arrays, _ = classifier.train(draw(sea(300), 1), draw(farm(300), 1), classifier.TrainConfig(buckets=2**10))
    file.write(path, facts, arrays)
    return path


@cache
def perplexity_file() -> Path:
    """A small language model of texts about the sea."""
    path = Path(_folder().name) / "perplexity.safetensors"
    facts, arrays, _ = perplexity.train(draw(sea(300), 1), perplexity.TrainConfig())
    file.write(path, facts, arrays)
    return path


def settings(step: str) -> dict[str, Any]:
    """The settings of a step that needs a model; of any other, none."""
    made = {"classifier": classifier_file, "perplexity": perplexity_file}
    return {"model": str(made[step]())} if step in made else {}
