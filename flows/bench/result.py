"""One comparison with a peer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """One comparison. `ratio` is ours over the peer's in speed: above 1 where we are faster."""

    name: str
    unit: str
    ours: float
    peer: float
    peer_name: str
    ratio: float
    note: str
