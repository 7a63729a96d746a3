"""How much of what a training pass takes: components of a corpus by source, language or any signal, and their shares.

A component's documents stand in one order, that of a seeded hash, and a pass takes the next so many tokens of that order,
repeated without end. So a part of an epoch is drawn by hash, no document is taken a second time before all others are, and
the next pass goes on where the last one ended. All of this decides what is repeated and what is left out, not what is stored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from pipeline.dedup.words import mix
from pipeline.kernels import kernel
from pipeline.packing import Ints
from pipeline.step import Strict

Hashes = npt.NDArray[np.uint64]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Epochs = Annotated[float, Field(gt=0, allow_inf_nan=False)]

HALF_VALUE_EPOCHS = 15.387756  # R*_D of Muennighoff et al. 2023, "Scaling Data-Constrained Language Models", in repetitions
_ROUNDING = 1e-9


class MixtureConfig(Strict):
    """What a pass takes. Without `weights`, `temperature` and `epochs`, everything once."""

    by: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = ("source",)  # columns whose values tell components apart
    edges: Mapping[str, Annotated[tuple[float, ...], Field(strict=False, min_length=1)]] = {}  # of a column of numbers: where buckets begin
    weights: Mapping[str, Weight] = {}  # of tokens, by component; they need not add up to 1
    temperature: Annotated[float, Field(gt=0)] | None = None  # in place of weights: a component of n tokens weighs n^(1/temperature)
    epochs: Mapping[str, Weight] = {}  # in place of weights: how often a component is read; one that is not named, once
    tokens: Annotated[int, Field(gt=0)] | Literal["scarcest"] = "scarcest"  # of a pass; or as many as use up one component, once
    max_epochs: Epochs = 4.0  # of any component in a pass: up to 4 a repeated token is worth about a new one (Muennighoff et al. 2023)
    caps: Mapping[str, Epochs] = {}  # the same, of single components

    @model_validator(mode="after")
    def _coherent(self) -> MixtureConfig:
        given = [name for name in ("weights", "temperature", "epochs") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"expected one of weights, temperature and epochs, not {' and '.join(given)}")
        if self.tokens != "scarcest" and not (self.weights or self.temperature):
            raise ValueError("expected weights or a temperature beside tokens: they say how the tokens are shared out")
        if self.weights and not any(self.weights.values()):
            raise ValueError("expected a weight above 0")
        for name, epochs in self.epochs.items():
            if epochs > self.cap(name):
                raise ValueError(f"expected epochs.{name} of at most {self.cap(name):g}, or a higher max_epochs or caps.{name}")
        for name, edges in self.edges.items():
            if list(edges) != sorted(set(edges)) or name not in self.by:
                raise ValueError(f"expected edges.{name} in ascending order, of a column that `by` names")
        return self

    def cap(self, name: str) -> float:
        """How often a component may be read in a pass."""
        return self.caps.get(name, self.max_epochs)


class Component(NamedTuple):
    """One component of a mixture, before anything is written."""

    name: str
    documents: int  # that there are
    tokens: int  # that there are
    share: float  # of a pass's tokens, as asked for
    target: int  # tokens that a pass takes
    capped: bool  # whether it is too small for its share even when read as often as it may be

    @property
    def epochs(self) -> float:
        """How often a pass reads it."""
        return self.target / self.tokens if self.tokens else 0.0


def components(names: Sequence[str], documents: Sequence[int], tokens: Sequence[int], config: MixtureConfig) -> list[Component]:
    """What a pass takes of each of some components with so many documents and tokens. `ValueError` where the recipe names others.

    What a component cannot give within its cap, the others give by their shares.
    """
    for table in ("weights", "epochs", "caps"):
        if unknown := set(getattr(config, table)) - set(names):
            raise ValueError(f"mixture.{table}: {', '.join(sorted(unknown))}: expected components among {', '.join(names)}")
    if config.weights and (unnamed := set(names) - set(config.weights)):
        raise ValueError(f"mixture.weights: expected one for each component, 0 to leave it out; none for {', '.join(sorted(unnamed))}")
    sizes = np.array(tokens, np.float64)
    limits = np.array([config.cap(name) for name in names]) * sizes
    if config.weights or config.temperature:
        shares = _shares(names, sizes, config)
        asked = float(np.min(sizes[shares > 0] / shares[shares > 0])) if config.tokens == "scarcest" else float(config.tokens)
        targets = _filled(shares, limits, asked)
    else:
        targets = np.array([config.epochs.get(name, 1.0) for name in names]) * sizes
        shares = targets / max(targets.sum(), 1.0)
        asked = float(targets.sum())
    capped = (shares * asked > limits * (1 + _ROUNDING)).tolist()
    rows = zip(names, documents, tokens, shares.tolist(), np.rint(targets).astype(np.int64).tolist(), capped, strict=True)
    return [Component(*row) for row in rows]


def _shares(names: Sequence[str], sizes: npt.NDArray[np.float64], config: MixtureConfig) -> npt.NDArray[np.float64]:
    if config.temperature:
        weights = (sizes / sizes.max()) ** (1 / config.temperature)
    else:
        weights = np.array([config.weights[name] for name in names])
    return weights / weights.sum()


def _filled(shares: npt.NDArray[np.float64], limits: npt.NDArray[np.float64], total: float) -> npt.NDArray[np.float64]:
    """So many tokens by share, none over its limit as long as others have room."""
    taken, room = np.zeros(len(shares)), shares > 0
    while room.any():
        wanted = (total - taken.sum()) * shares / shares[room].sum()
        over = room & (wanted > limits)
        if not over.any():
            taken[room] = wanted[room]
            break
        taken[over] = limits[over]
        room &= ~over
    return taken


def copies(ids: npt.NDArray[np.void], lengths: Ints, component: Ints, parts: Sequence[Component], seed: int, epoch: int) -> Ints:
    """How often a pass takes each document, given 16-byte ids, lengths in tokens, and the component that each is of.

    A component's tokens come to its target to within one document.
    """
    halves = np.ascontiguousarray(ids).view(np.uint64).reshape(-1, 2)
    keys = np.empty(len(ids), np.uint64)
    _keys(halves, np.uint64(seed), keys)
    order = np.lexsort((keys, component))
    sizes, targets = (np.array([getattr(part, name) for part in parts], np.int64) for name in ("tokens", "target"))
    ends = np.cumsum(lengths[order])
    before = np.cumsum(sizes) - sizes  # tokens of the components that come before
    starts = ends - lengths[order] - before[component[order]]
    own, target = sizes[component[order]], targets[component[order]]
    taken = np.empty(len(ids), np.int64)
    taken[order] = _passed((epoch + 1) * target - starts, own) - _passed(epoch * target - starts, own)
    return taken


def _passed(tokens: Ints, period: Ints) -> Ints:
    """How many multiples of a period, from 0, lie below a number of tokens."""
    return -(-tokens // period)


def effective_tokens(tokens: int, taken: int) -> int:
    """New tokens that so many tokens taken of a component are worth (Muennighoff et al. 2023, equation 5)."""
    repeats = taken / tokens - 1 if tokens else 0.0
    return taken if repeats <= 0 else round(tokens * (1 + HALF_VALUE_EPOCHS * (1 - math.exp(-repeats / HALF_VALUE_EPOCHS))))


@kernel
def _keys(halves: npt.NDArray[np.uint64], seed: np.uint64, keys: Hashes) -> None:
    for row in range(len(halves)):
        keys[row] = mix(mix(halves[row, 0] ^ mix(seed)) ^ halves[row, 1])
