"""One optimizer step over a batch of sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from training.checkpoint import Saved
from training.data import Batch, by_document
from training.guard import OUTCOMES, Guard
from training.model import IGNORED, Decoder, initialise
from training.muon import Muon
from training.objective import Objective, spread, synchronised
from training.optimizer import optimizer_of, set_rate
from training.ranks import ALONE, Ranks
from training.settings import ModelConfig, TrainConfig
from training.transfer import Fetched, fetched, sent


class Learner(NamedTuple):
    """A model and what moves it. `objective` is the model with its loss, as the ranks hold it."""

    model: Decoder
    objective: nn.Module
    optimizer: Optimizer
    guard: Guard
    ranks: Ranks
    config: TrainConfig

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.head.device


class Taken(NamedTuple):
    """What a step tells of itself. `present` are the documents, as rows of the tokens, that had a target in it."""

    outcome: str  # one of `guard.OUTCOMES`
    loss: float  # nats a target
    gradient_norm: float  # before clipping
    targets: int
    present: npt.NDArray[Any]
    losses: npt.NDArray[Any]  # mean nats a target of each document
    counts: npt.NDArray[Any]  # its targets


class Underway(NamedTuple):
    """A step that the device may still be at."""

    passes: Sequence[Batch]
    targets: int
    told: Fetched  # outcome, loss, gradient norm, and the nats of each target by pass


def start(shape: ModelConfig, vocabulary: int, config: TrainConfig, device: str, ranks: Ranks = ALONE) -> Learner:
    """A learner that has learnt nothing yet; `vocabulary` is the padded one."""
    model = Decoder(shape, vocabulary)
    initialise(model, config.seed)
    torch.manual_seed(config.seed)
    model.to(device)
    objective = spread(Objective(model, config, device), config, ranks)
    return Learner(model, objective, optimizer_of(model, config), Guard(config.guard, device), ranks, config)


def take_step(learner: Learner, passes: Sequence[Batch], rate: float) -> Underway:
    """Move the weights once, unless the guard says that they must stay as they are. `passes` are this rank's sequences.

    The loss is the nats of all targets over their number, however they are spread over passes and ranks.
    """
    _, objective, optimizer, guard, ranks, config = learner
    targets = ranks.total(sum(int((batch.targets != IGNORED).sum()) for batch in passes))
    nats = []
    for number, batch in enumerate(passes):
        tokens, wanted = (sent(array, learner.device) for array in (batch.tokens, batch.targets))
        with synchronised(objective, last=number + 1 == len(passes)):
            total, each = objective(tokens, batch.documents, wanted)
            (total * (ranks.world / targets)).backward()
        nats.append(each)
    loss = ranks.sum(torch.stack([each.sum(dtype=torch.float64) for each in nats]).sum()) / targets
    norm = nn.utils.clip_grad_norm_(learner.model.parameters(), config.clip_norm)
    norm = norm.full_tensor() if isinstance(norm, DTensor) else norm
    outcome = guard.judge(loss, norm)
    optimizer.found_inf = (outcome > 0).float()  # type: ignore[attr-defined]  # where it is 1, weights and moments stay
    set_rate(optimizer, rate)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return Underway(passes, targets, fetched([outcome, loss, norm, *nats]))


def read(learner: Learner, step: Underway, present: npt.NDArray[Any]) -> Taken:
    """What came of a step, once the device is done with it. `present` are the documents of all ranks' sequences, each once."""
    outcome, loss, norm, *nats = step.told.wait()
    sums = np.zeros((2, len(present)))
    for batch, each in zip(step.passes, nats, strict=True):
        own = np.searchsorted(present, batch.present)
        sums[:, own] += by_document(each.numpy(), batch)
    nats_of, counts = learner.ranks.sum(torch.from_numpy(sums)).numpy()
    some = counts > 0
    losses, counts = nats_of[some] / counts[some], counts[some].astype(np.int64)
    return Taken(OUTCOMES[int(outcome)], float(loss), float(norm), step.targets, present[some], losses, counts)


def tensors(learner: Learner) -> dict[str, Tensor]:
    """All that a learner must have again to go on exactly."""
    found: dict[str, Tensor] = {}
    for name, weight in learner.model.named_parameters():
        found[f"weights/{name}"] = weight
        found |= {f"moments/{name}/{key}": value for key, value in learner.optimizer.state.get(weight, {}).items()}
    return found | learner.guard.tensors() | {"random_state": torch.get_rng_state()}


def restore(learner: Learner, saved: Saved, *, weights_alone: bool = False) -> None:
    """Put back what `tensors` gave, or of it the weights alone."""
    named = dict(learner.model.named_parameters())
    moments = {key.rpartition("/")[2] for key in saved.tensors if key.startswith("moments/")}  # none before the first step
    if not weights_alone and moments and ("momentum" in moments) != isinstance(learner.optimizer, Muon):
        raise ValueError("train.optimizer: that of the checkpoint was expected, since its moments are to be kept")
    wanted: dict[str, Tensor] = {f"weights/{name}": weight for name, weight in named.items()}
    if not weights_alone:
        for weight in named.values():
            learner.optimizer.state[weight] = {}
        for key, rows in saved.tensors.items():
            if key.startswith("moments/"):
                name, _, moment = key.removeprefix("moments/").rpartition("/")
                weight, dtype = named[name], getattr(torch, rows.dtype)
                like = torch.zeros_like(weight, dtype=dtype) if rows.shape == tuple(weight.shape) else torch.zeros(rows.shape, dtype=dtype)
                wanted[key] = learner.optimizer.state[weight][moment] = like.to(weight.device)
        known = {key: value for key, value in learner.guard.tensors().items() if saved.tensors[key].shape == tuple(value.shape)}
        wanted |= known | {"random_state": torch.get_rng_state()}  # a guard of another window begins anew
    saved.restore(wanted)
    if not weights_alone:
        torch.set_rng_state(wanted["random_state"])
