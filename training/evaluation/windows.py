"""The windows in which a model reads held-out documents, and the nats that it takes for each.

Counted is every token of a document but the one that begins it, each once. **Disjoint** windows follow each other: the first
targets of each but a document's first have little before them. **Strided** ones begin every `stride` tokens, and of each but
a document's first only the targets that no window before it had are counted: so each has at least the window less a
stride before it, for window over stride times the work.
"""

from __future__ import annotations

import numpy as np
import torch

from training import data
from training.data import Array
from training.model import IGNORED, Decoder, cross_entropy


def windows(lengths: Array, window_tokens: int, stride: int) -> data.Pieces:
    """Windows over whole documents of these lengths, in rows of `window_tokens`; disjoint where `stride` is that many.

    A last token has nothing to predict, and starts no window. What is left of a document after its full windows shares
    a row with what is left of the next ones, as long as it fits.
    """
    beyond = np.maximum(lengths - 1 - window_tokens, 0)  # targets that a first window does not have
    count = np.where(lengths > 1, 1 + -(-beyond // stride), 0)
    document = np.repeat(np.arange(len(lengths)), count)
    start = (np.arange(len(document)) - np.repeat(count.cumsum() - count, count)) * stride
    length = np.minimum(lengths[document] - start, window_tokens)
    whole = length == window_tokens
    order = np.concatenate([np.flatnonzero(whole), np.flatnonzero(~whole)])
    position, opens = np.zeros(len(order), np.int64), np.ones(len(order), bool)
    used = window_tokens
    for i in range(int(whole.sum()), len(order)):
        size = length[order[i]]
        opens[i] = used + size > window_tokens
        position[i] = 0 if opens[i] else used
        used = position[i] + size
    first = np.concatenate([np.flatnonzero(opens), [len(order)]])
    return data.Pieces(first, position, document[order], start[order], length[order])


@torch.no_grad()
def document_nats(
    model: Decoder, tokens: data.Tokens, window_tokens: int, stride: int, windows_per_pass: int, precision: torch.dtype
) -> tuple[Array, Array]:
    """The summed nats of each document's text, and the number of its targets."""
    lengths = np.diff(tokens.bounds)
    nats, targets = np.zeros(len(lengths)), np.zeros(len(lengths), np.int64)
    pieces, device = windows(lengths, window_tokens, stride), model.head.device
    for first in range(0, pieces.sequences, windows_per_pass):
        found = data.batch(tokens, pieces, first, windows_per_pass, window_tokens, endings=False)
        _leave_out_counted(found, pieces, first, window_tokens - stride)
        read, wanted, documents = (torch.from_numpy(array).to(device) for array in found[:3])
        hidden = model(read, documents, precision)
        _, each = cross_entropy(hidden, model.head, wanted, window_tokens)
        total, count = data.by_document(each.cpu().numpy(), found)
        nats[found.present] += total
        targets[found.present] += count
    return nats, targets


def _leave_out_counted(found: data.Batch, pieces: data.Pieces, first: int, overlap: int) -> None:
    """Ignore the targets that the window before has counted: the first `overlap` of each window but a document's first."""
    for row in range(min(len(found.targets), pieces.sequences - first)):
        for piece in range(pieces.first[first + row], pieces.first[first + row + 1]):
            if pieces.start[piece]:
                position = pieces.position[piece]
                found.targets[row, position : position + overlap] = IGNORED
