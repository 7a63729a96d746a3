"""Earlier corpora: finished ones of the same root, of which a new one takes nothing a second time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.dedup.config import NearConfig
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
    corpus, exact = Indexed(store, place, manifest), recipe.dedup.exact
    if ours and theirs != ours:
        raise _unlike(corpus, f"with the same dedup.near; {_differences(theirs, ours)}")
    if not corpus.complete:
        raise _unlike(corpus, "with a whole index, which this one of an earlier version has not; run it again")
    if exact and (unknown := [same for same in exact.by if not corpus.knows(same)]):
        raise _unlike(corpus, f"with the same dedup.exact; it keeps nothing to compare by {' and '.join(unknown)}")
    words, own = NearConfig.model_validate(theirs or {}).shingle_words, recipe.dedup.signing.shingle_words
    if words != own:
        raise _unlike(corpus, f"whose held-out documents are kept by the same dedup.near.shingle_words; they are {words}, not {own}")
    return corpus


def _unlike(corpus: Indexed, expected: str) -> ValueError:
    return ValueError(f"dedup.against: {corpus.name!r}: expected a corpus {expected}")


def _differences(theirs: Mapping[str, Any] | bool, ours: Mapping[str, Any]) -> str:
    if isinstance(theirs, bool):
        return "it has none"
    return "; ".join(f"its {key} is {theirs.get(key)}, not {value}" for key, value in ours.items() if theirs.get(key) != value)
