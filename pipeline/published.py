"""What is published under a root now: the versions that every `current` names, and what those are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.store import MANIFEST, Manifest, Store, canonical

# The folders in which a version has a name, and a name a `current`.
KINDS = ("corpora", "tokenizers", "tokens", "runs", "evaluations")


@dataclass(frozen=True)
class Published:
    """A finished version. A shard and a packing plan have no name but their fingerprint."""

    kind: str
    name: str
    place: str
    manifest: Manifest

    def files(self, *under: str) -> list[str]:
        """Its files of those names and in folders of those names, as paths from the root; without a name, all."""
        return [f"{self.place}/{part.path}" for part in self.manifest.files if not under or part.path.split("/")[0] in under]


@dataclass(frozen=True)
class Measured:
    """A corpus's shards that the same steps ran over, in recipe order: their files have the same columns."""

    corpus: str
    steps: tuple[str, ...]
    shards: list[Published]

    def files(self, folder: str) -> list[str]:
        """The shards' files in a folder of that name."""
        return [path for shard in self.shards for path in shard.files(folder)]


def names(store: Store) -> dict[str, object]:
    """The names of all that is published. No manifest is read for it: versions never change, so equal names mean equal content."""
    return {
        "current": _currents(store),
        "order": [plan for plan in store.list("order") if store.exists(f"order/{plan}/{MANIFEST}")],
        "crawl_log": crawl_logs(store),
    }


def crawl_logs(store: Store) -> dict[str, dict[str, list[str]]]:
    """By source and edition, the closed files of its crawl log; the first crawl is the edition without a name."""
    found: dict[str, dict[str, list[str]]] = {}
    for source in store.list("raw"):
        editions = {edition: f"raw/{source}/{edition}/crawl_log" for edition in store.folders(f"raw/{source}")}
        logs = {"": f"raw/{source}/crawl_log", **editions}
        found[source] = {
            edition: [f"{log}/{name}" for name in store.list(log) if name.endswith(".parquet")] for edition, log in logs.items()
        }
    return found


def find(store: Store) -> dict[str, list[Published]]:
    """By kind, the versions that are named, their shards, and all packing plans; of each, only what is finished."""
    found = {
        kind: _finished(store, kind, {name: f"{kind}/{name}/{version}" for name, version in versions.items()})
        for kind, versions in _currents(store).items()
    }
    shards = sorted({shard for corpus in found["corpora"] for shard in corpus.manifest.spec["shards"]})
    found["shards"] = _finished(store, "shards", {shard: f"shards/{shard}" for shard in shards})
    found["order"] = _finished(store, "order", {plan: f"order/{plan}" for plan in store.list("order")})
    return found


def measured(found: Mapping[str, list[Published]]) -> Iterator[Measured]:
    """The shards of each corpus by the steps that ran over them. A shard that several corpora name is in each."""
    shards = {shard.name: shard for shard in found["shards"]}
    for corpus in found["corpora"]:
        groups: dict[bytes, Measured] = {}
        for name in corpus.manifest.spec["shards"]:
            if shard := shards.get(name):
                steps = shard.manifest.spec["steps"]
                group = groups.setdefault(canonical(steps), Measured(corpus.name, tuple(step["name"] for step in steps), []))
                group.shards.append(shard)
        yield from groups.values()


def _currents(store: Store) -> dict[str, dict[str, str]]:
    return {kind: {name: now for name in store.list(kind) if (now := store.current(f"{kind}/{name}"))} for kind in KINDS}


def _finished(store: Store, kind: str, places: Mapping[str, str]) -> list[Published]:
    return [Published(kind, name, place, manifest) for name, place in places.items() if (manifest := store.manifest(place))]
