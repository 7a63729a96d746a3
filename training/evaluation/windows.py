"""The windows in which a model reads held-out documents, and the nats that it takes for each.

Counted is every token of a document but the one that begins it, each once. A window begins every `stride` tokens, and the last
of a document so far before its end that it is full; of each but the first only those targets are counted that no window
before it had. **Disjoint** are the windows where the stride is their length: the first target of each has one token before
it. (They are those of lm-evaluation-harness's `loglikelihood_rolling`.) **Strided** ones are closer, so that each target has
at least the window less a stride before it, for window over stride times the work.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from training import data, mapped
from training.attention import see
from training.data import Array
from training.loss import cross_entropy
from training.model import IGNORED, Decoder
from training.ranks import ALONE, Ranks
from training.transfer import sent


def windows(lengths: Array, window_tokens: int, stride: int) -> tuple[mapped.Pieces, Array]:
    """Windows over whole documents of these lengths, in rows of `window_tokens`, and how many of each one's targets were counted before.

    A last token has nothing to predict. Documents that are shorter than a window share rows.
    """
    targets = np.maximum(lengths - 1, 0)
    beyond = np.maximum(targets - window_tokens, 0)
    count = np.where(targets > 0, 1 + -(-beyond // stride), 0)
    document = np.repeat(np.arange(len(lengths)), count)
    number = np.arange(len(document)) - np.repeat(count.cumsum() - count, count)
    start = np.minimum(number * stride, beyond[document])
    counted = np.where(number > 0, (number - 1) * stride + window_tokens - start, 0)
    length = np.minimum(lengths[document], window_tokens)
    order = np.argsort(length < window_tokens, kind="stable")
    position, opens = np.zeros(len(order), np.int64), np.ones(len(order), bool)
    used = window_tokens
    for i in range(int((length == window_tokens).sum()), len(order)):
        size = length[order[i]]
        opens[i] = used + size > window_tokens
        position[i] = 0 if opens[i] else used
        used = position[i] + size
    first = np.concatenate([np.flatnonzero(opens), [len(order)]])
    return mapped.Pieces(first, position, document[order], start[order], length[order]), counted[order]


@torch.no_grad()
def document_nats(
    model: Decoder, tokens: mapped.Tokens, window_tokens: int, stride: int, windows_per_pass: int, precision: torch.dtype
) -> tuple[Array, Array]:
    """The summed nats of each document's text, and the number of its targets."""
    nats, targets = np.zeros(len(tokens.ids)), np.zeros(len(tokens.ids), np.int64)
    for found in passes(tokens, window_tokens, stride, windows_per_pass):
        read, wanted, documents = (sent(array, model.head.device) for array in found[:3])
        hidden = model(read, see(documents, precision=precision), precision)
        _, each = cross_entropy(hidden, model.head, wanted, window_tokens)
        total, count = data.by_document(each.cpu().numpy(), found)
        nats[found.present] += total
        targets[found.present] += count
    return nats, targets


def passes(tokens: mapped.Tokens, window_tokens: int, stride: int, windows_per_pass: int, ranks: Ranks = ALONE) -> Iterator[data.Batch]:
    """The windows over all documents, some at a time, each target counted once: this rank's passes, dealt out in turn.

    As many for every rank, since several may have to work on each together: what lacks is padding.
    """
    pieces, counted = windows(np.diff(tokens.bounds), window_tokens, stride)
    for dealt in range(0, pieces.sequences, windows_per_pass * ranks.world):
        first = dealt + windows_per_pass * ranks.rank
        if first >= pieces.sequences:
            yield data.padding(tokens, window_tokens)
            continue
        found = data.batch(tokens, pieces, first, windows_per_pass, window_tokens, endings=False)
        _leave_out(counted, found, pieces, first)
        yield found


def _leave_out(counted: Array, found: data.Batch, pieces: mapped.Pieces, first: int) -> None:
    """Ignore the targets of each window that one before it has counted."""
    last = min(first + len(found.targets), pieces.sequences)
    for row, (begin, end) in enumerate(zip(pieces.first[first:last], pieces.first[first + 1 : last + 1], strict=True)):
        for piece in range(begin, end):
            position = pieces.position[piece]
            found.targets[row, position : position + counted[piece]] = IGNORED
