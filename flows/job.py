"""What a command or a flow works on: a recipe, a root, and how many processes may help."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from pipeline import recipe as recipes
from pipeline.recipe import Recipe
from pipeline.step import Strict
from pipeline.store import Store
from pipeline.typed import RecipeError
from training.settings import EvaluateConfig, ModelConfig, TrainConfig

SECTIONS: dict[str, type[Strict]] = {"model": ModelConfig, "train": TrainConfig, "evaluate": EvaluateConfig}
SHIPPED = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Job:
    """A recipe with what the command line changed in it, and where its results lie."""

    path: Path
    overrides: tuple[str, ...] = ()
    root: str = "data"
    workers: int = 1

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe as changed."""
        return load(self.path, self.overrides)

    @cached_property
    def store(self) -> Store:
        """The root."""
        return Store(self.root)


def find(recipe: str) -> Path:
    """The file of a recipe that is named by its path, or by its name where it is shipped. Raises RecipeError where there is none."""
    path, shipped = Path(recipe), sorted(each.stem for each in SHIPPED.glob("*.toml"))
    if path.exists():
        return path
    if recipe in shipped:
        return SHIPPED / f"{recipe}.toml"
    raise RecipeError(recipe, "", f"no such file; expected a recipe in TOML, or the name of a shipped one: {', '.join(shipped)}")


def load(path: Path, overrides: tuple[str, ...] = ()) -> Recipe:
    """A recipe and all its tables. Of one that is shipped, paths are relative to where the command was given."""
    return _of_one_length(recipes.load(path, overrides, SECTIONS, Path.cwd() if path.parent == SHIPPED else None), path)


def _of_one_length(recipe: Recipe, path: Path) -> Recipe:
    """Sequences are packed as long as training reads them: whichever of the two tables names no length has that of the other."""
    train = recipe.section(TrainConfig)
    if "sequence_tokens" not in recipe.order.model_fields_set:
        return replace(recipe, order=recipe.order.model_copy(update={"sequence_tokens": train.sequence_tokens}))
    packed = recipe.order.sequence_tokens
    if "sequence_tokens" not in train.model_fields_set:
        return replace(recipe, sections={**recipe.sections, "train": train.model_copy(update={"sequence_tokens": packed})})
    if packed > train.sequence_tokens:
        problem = f"expected at least {packed}, as order.sequence_tokens says, not {train.sequence_tokens}"
        raise RecipeError(path.name, "train.sequence_tokens", problem)
    return recipe


def make(recipe: str, root: str, overrides: Sequence[str] = (), workers: int | None = None) -> Job:
    """A job on a recipe file, or on one that is shipped, by its name. Raises RecipeError where the recipe is bad."""
    path = find(recipe)
    job = Job(path, tuple(overrides), root, workers or os.cpu_count() or 1)
    if not job.recipe.sources:  # read now: a bad recipe is told before anything starts
        raise RecipeError(str(path), "source", "missing; expected at least one [[source]]")
    return job


def current(store: Store, kind: str, name: str) -> str:
    """The version that `current` names; `FileNotFoundError` where there is none."""
    found = store.current(f"{kind}/{name}")
    if found is None:
        others = ", ".join(other for other in store.folders(kind) if other != name)
        known = f"; or name the recipe of what is there: {others}" if others else ""
        raise FileNotFoundError(f"{store.uri(f'{kind}/{name}')}: nothing there yet; run the stages before this one first{known}")
    return f"{kind}/{name}/{found}"
