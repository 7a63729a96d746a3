"""The loss on held-out documents while a model is trained."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.distributed.fsdp import FSDPModule

from training.evaluation.windows import passes
from training.learner import Learner
from training.mapped import Tokens
from training.model import IGNORED
from training.transfer import sent


def measure(learning: Learner, tokens: Tokens, documents: int, sequences: int) -> Callable[[], float]:
    """What tells the nats a target token over so many documents of `tokens` at most, those of smallest `doc_id`.

    At once in memory are as many `sequences` as in a pass of training. Every rank must ask, and is told the same.
    """
    some = _some(tokens, documents)
    return lambda: _loss(learning, some, sequences)


def _some(tokens: Tokens, documents: int) -> Tokens:
    high, low = np.ascontiguousarray(tokens.ids).view(">u8").reshape(-1, 2).T
    rows = np.lexsort((low, high))[:documents]
    texts = [tokens.values[tokens.bounds[row] : tokens.bounds[row + 1]] for row in rows]
    bounds = np.concatenate([[0], np.cumsum([len(text) for text in texts])])
    return Tokens(np.concatenate(texts), bounds, tokens.ids[rows], tokens.beginning)


@torch.no_grad()
def _loss(learning: Learner, tokens: Tokens, sequences: int) -> float:
    window = learning.config.sequence_tokens
    sums = torch.zeros(2, dtype=torch.float64)
    for found in passes(tokens, window, window, sequences, learning.ranks):
        read, wanted = (sent(array, learning.device) for array in (found.tokens, found.targets))
        total, _ = learning.objective(read, found.documents, wanted)
        sums += torch.tensor([float(total), int((found.targets != IGNORED).sum())], dtype=torch.float64)
    if isinstance(learning.objective, FSDPModule):
        learning.objective.reshard()  # without a backward pass it would keep whole weights, which the optimizer does not know
    nats, targets = learning.ranks.sum(sums).tolist()
    return nats / targets
