"""Earlier corpora: finished ones of the same root, of which a new one takes nothing a second time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.dedup.index import Indexed
from pipeline.recipe import Recipe
from pipeline.store import Store


def places(store: Store, recipe: Recipe) -> list[str]:
    """The places of the corpora that `dedup.against` names, as they are now. Raises ValueError where one is not there."""
    found = []
    for name in recipe.dedup.against:
        current = store.current(f"corpora/{name}")
        if current is None or name == recipe.name:
            known = ", ".join(other for other in store.folders("corpora") if other != recipe.name) or "there is none"
            raise ValueError(f"dedup.against: {name!r}: expected the name of another corpus in {store.root}: {known}")
        found.append(f"corpora/{name}/{current}")
    return found


def indexed(store: Store, recipe: Recipe, place: str) -> Indexed:
    """A corpus to compare with. Raises ValueError where its documents were compared under other terms."""
    manifest = store.manifest(place)
    if manifest is None:
        raise ValueError(f"dedup.against: {store.uri(place)}: no finished corpus there")
    theirs, ours = manifest.spec["dedup"]["near"], recipe.dedup.model_dump(mode="json")["near"]
    if ours and theirs != ours:
        raise ValueError(
            f"dedup.against: {place.split('/')[1]!r}: expected a corpus with the same dedup.near; {_differences(theirs, ours)}"
        )
    return Indexed(store, place, manifest)


def _differences(theirs: Mapping[str, Any] | bool, ours: Mapping[str, Any]) -> str:
    if isinstance(theirs, bool):
        return "it has none"
    return "; ".join(f"its {key} is {theirs.get(key)}, not {value}" for key, value in ours.items() if theirs.get(key) != value)
