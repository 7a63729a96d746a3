"""Probabilities of sequences of symbols, by interpolated n-grams in a hash table: how they are looked up.

A symbol is a 64-bit number. An n-gram's key is a hash that grows symbol by symbol, so that the key of its context is the one
before its last symbol came. Its entry holds two natural logarithms: of the last symbol's probability behind the others,
all shorter n-grams counted in; and, for where it is itself a context, of the weight that shorter contexts have behind it.
How both are estimated is told in `pipeline.models.estimate`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.kernels import kernel
from pipeline.kernels.sets import clear, set_room, slot_for
from pipeline.kernels.strings import Hashes, combine

Logs = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.float64]

MAX_ORDER = 8
_EMPTY = np.uint64(0x9E3779B97F4A7C15)  # the key of no symbols
_BEGIN = np.uint64(0xD6E8FEB86659FD93)  # what stands before the first symbol of a sequence, as often as a context is long
_ABSENT = np.uint64(0)  # the key of a context that has no entry
_MAX_PROBES = 4096  # at half full, chance makes a few dozen


class Entries(NamedTuple):
    """A model as it lies in a file: `keys` ascending, and for each the logarithms of a probability and of a context's weight."""

    keys: Hashes
    logs: Logs  # (entries, 2)


class Ngrams(NamedTuple):
    """A model to look up. A sequence begins with the keys and weights of its contexts of 0, 1 … symbols in `start_*`."""

    keys: Hashes  # open addressing, 0 where a slot is empty
    logs: Logs  # (slots, 2)
    start_keys: Hashes  # (order,)
    start_weights: Numbers  # (order,)


def start_keys(order: int) -> Hashes:
    """The keys of the contexts of 0 to `order` - 1 symbols at the beginning of a sequence."""
    keys = np.full(order, _EMPTY)
    for k in range(1, order):
        keys[k] = combine(keys[k - 1], _BEGIN)
    return keys


@kernel
def _insert(keys: Hashes, logs: Logs, slots: Hashes, values: Logs, mask: int) -> int:
    """Fill the table; how many keys went in until one had to go too far for a place."""
    for i in range(len(keys)):
        slot = slot_for(slots, mask, keys[i])
        if (slot - np.int64(keys[i] & np.uint64(mask))) & mask > _MAX_PROBES:
            return i
        slots[slot] = keys[i]
        values[slot, 0], values[slot, 1] = logs[i, 0], logs[i, 1]
    return len(keys)


def table(entries: Entries, order: int) -> Ngrams:
    """The table of a model's entries. ValueError where they are no model's."""
    keys, logs = entries
    starts = start_keys(order)
    if logs.shape != (len(keys), 2) or not len(keys) or keys[0] == 0 or (keys[1:] <= keys[:-1]).any():
        raise ValueError("an entry of two numbers for each of some ascending keys")
    if (logs > 0).any():
        raise ValueError("logarithms of probabilities, none above 0")
    slots = np.zeros(set_room(len(keys)), np.uint64)
    values = np.zeros((len(slots), 2), np.float32)
    if _insert(keys, logs, slots, values, clear(slots, len(slots) // 2)) < len(keys):
        raise ValueError("keys that are hashes")
    places = np.searchsorted(keys, starts).clip(max=len(keys) - 1)
    if (keys[places] != starts).any():
        raise ValueError(f"entries for the beginning of a sequence, at order {order}")
    return Ngrams(slots, values, starts, logs[places, 1].astype(np.float64))


@kernel
def begin(start_keys: Hashes, start_weights: Numbers, state_keys: Hashes, state_weights: Numbers) -> None:
    """Make a state, of `order` numbers each, that of a sequence's beginning."""
    for k in range(len(state_keys)):
        state_keys[k], state_weights[k] = start_keys[k], start_weights[k]


@kernel
def advance(keys: Hashes, logs: Logs, state_keys: Hashes, state_weights: Numbers, symbol: np.uint64) -> tuple[float, bool]:
    """The logarithm of a symbol's probability behind those before it, and whether that is all.

    Where it is not, the symbol is one that training has not kept, and the logarithm of its probability with no n-grams told
    (by its spelling, say) is to be added.
    """
    log, known = 0.0, False
    mask = len(keys) - 1
    for k in range(len(state_keys), 0, -1):
        slot, found, key = np.int64(0), False, _ABSENT
        # An n-gram is kept only together with its context: where that has no entry there is nothing to look for.
        if state_keys[k - 1] != _ABSENT:
            key = combine(state_keys[k - 1], symbol)
            slot = slot_for(keys, mask, key)
            found = keys[slot] != 0
        if not known:
            log += logs[slot, 0] if found else state_weights[k - 1]
            known = found
        if k < len(state_keys):
            state_keys[k] = key if found else _ABSENT
            state_weights[k] = logs[slot, 1] if found else 0.0
    return log, known
