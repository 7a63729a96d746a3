"""The steps of a run, from where it stands to its end: taken, judged, written down, and saved.

A step is known by its number, and its sequences and learning rate follow from that alone. So a step that is skipped or rolled
back is not done again: the run goes on with the next one, and what was skipped stands in `steps` with its outcome.
"""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from training import data, learner
from training.checkpoint import Checkpoints
from training.data import Batch
from training.learner import Learner, Taken, Underway
from training.mapped import Pieces, Tokens
from training.memory import peak_bytes
from training.records import Records
from training.schedule import Schedule, consumed, learning_rate, place, sequences_of


class Stopped(Exception):  # noqa: N818 - no error: what was asked for
    """Training was asked to stop, and has saved a checkpoint after `step` steps."""

    def __init__(self, step: int) -> None:
        super().__init__(f"stopped after {step} steps")
        self.step = step


@dataclass
class Standing:
    """Where a run is, beside its tensors: what a checkpoint keeps as JSON."""

    targets: int = 0  # trained on
    skipped_in_a_row: int = 0
    best_loss: float | None = None  # of validation
    best_step: int | None = None  # after which it was measured
    worse_in_a_row: int = 0  # checkpoints since then
    cursor: int = 0  # sequences that the steps so far have read
    anchor: int = 0  # the step to roll back to: of the last checkpoint that was due, not of one saved because of a stop
    parts: list[dict[str, Any]] = field(default_factory=list)  # of the records, closed


@dataclass
class Loop:
    """A run under way. `records` is None on ranks that write none, `validate` where nothing is measured.

    `used` tells the share of the device's peak that so many tokens a second are, None where its peak is not known.
    """

    learning: Learner
    tokens: Tokens
    orders: Sequence[Pieces]
    plan: Schedule
    checkpoints: Checkpoints
    records: Records | None
    validate: Callable[[], float] | None
    stop: Callable[[], bool]
    standing: Standing
    used: Callable[[float], float | None]

    def __post_init__(self) -> None:
        self._config = self.learning.config
        self._underway: deque[tuple[int, Underway]] = deque()
        self._told = time.perf_counter()

    def run(self, first: int) -> int:
        """Do the steps from `first` on; after how many it was over.

        `Stopped` where that was asked for; `FloatingPointError` where too many steps were skipped, or one that must not be.
        """
        if not first or not self.standing.cursor:  # a run that begins, maybe as a branch of another
            self._save(first)
        step = first
        reading = self._reading(first)
        while step < self.plan.steps and not self._enough():
            self._launch(*next(reading))
            step += 1
            stopping = self.learning.ranks.any(self.stop())
            due = step == self.plan.steps or step % self._config.checkpoint_every_steps == 0
            spike = self._read(wait=due or stopping)
            if spike is not None:
                step = self._roll_back(spike)
                reading = self._reading(step)
            elif due:
                self._measure(step)
                self._save(step)
            elif stopping:
                self._save(step, due=False)
            if stopping and step < self.plan.steps:
                self.checkpoints.close()
                raise Stopped(step)
        self.checkpoints.close()
        return step

    def _enough(self) -> bool:
        """Whether the loss on held-out documents has not fallen for as many checkpoints as the recipe waits."""
        patience = self._config.validation.patience
        return patience is not None and self.standing.worse_in_a_row >= patience

    def _reading(self, first: int) -> Iterator[tuple[int, list[Batch]]]:
        """This rank's sequences of each step from `first` on, the next step's made ready meanwhile."""
        return data.ahead(self._passes, range(first, self.plan.steps))

    def _passes(self, step: int) -> list[Batch]:
        """As many passes on every rank: what lacks is padding."""
        ranks, config = self.learning.ranks, self._config
        whole, own = place(self.plan, step), sequences_of(self.plan, step, ranks.rank, ranks.world)
        passes = data.passes(self.tokens, self.orders[own.epoch], own.first, own.count, config)
        share = math.ceil(whole.count / ranks.world)
        wanted = math.ceil(share / (config.sequences_per_pass or share))
        return passes + [data.padding(self.tokens, config.sequence_tokens)] * (wanted - len(passes))

    def _launch(self, step: int, passes: list[Batch]) -> None:
        rate = learning_rate(step, self.plan.steps, self._config)
        self._underway.append((step, learner.take_step(self.learning, passes, rate)))

    def _read(self, *, wait: bool) -> int | None:
        """Write down what is done, the last step only if it is to be waited for. The step to roll back from, if there is one."""
        late = 1 if self.learning.device.type == "cuda" and not wait else 0
        while len(self._underway) > late:
            step, underway = self._underway.popleft()
            where = place(self.plan, step)
            present = data.documents(self.orders[where.epoch], where.first, where.count)
            taken = learner.read(self.learning, underway, present)
            self._write_down(step, taken)
            if self._judge(step, taken):
                return step
        return None

    def _write_down(self, step: int, taken: Taken) -> None:
        where, now = place(self.plan, step), time.perf_counter()
        seconds, self._told = now - self._told, now
        if self.records is None:
            return
        row = {
            "step": step,
            "epoch": where.epoch,
            "first_sequence": where.first,
            "sequences": where.count,
            "outcome": taken.outcome,
            "loss": taken.loss,
            "learning_rate": learning_rate(step, self.plan.steps, self._config),
            "gradient_norm": taken.gradient_norm,
            "tokens": taken.targets,
            "seconds": seconds,
            "mfu": self.used(taken.targets / seconds),
            "memory_bytes": peak_bytes(self.learning.device.type),
        }
        self.records.add(row, self.tokens.ids[taken.present], taken.losses, taken.counts)

    def _judge(self, step: int, taken: Taken) -> bool:
        """Whether the run must go back to its last checkpoint because of a step."""
        if taken.outcome == "taken":
            self.standing.targets += taken.targets
            self.standing.skipped_in_a_row = 0
            return False
        self.standing.skipped_in_a_row += 1
        guard = self._config.guard
        told = f"step {step}: {taken.outcome}: a loss of {taken.loss:.4g} nats a token, a gradient norm of {taken.gradient_norm:.4g}"
        if self.standing.skipped_in_a_row > guard.max_skipped_steps:
            raise FloatingPointError(f"{told}; train.guard.max_skipped_steps: {guard.max_skipped_steps} in a row were skipped before it")
        spike = taken.outcome == "spike"
        if spike and guard.on_spike == "stop":
            raise FloatingPointError(f"{told}; train.guard.on_spike is 'stop'")
        back = spike and guard.on_spike == "roll_back"
        self._say(f"{told}; {f'rolled back to step {self.standing.anchor}' if back else 'skipped'}")
        return back

    def _roll_back(self, spike: int) -> int:
        """Weights and all else as at the last checkpoint; what was read since then stays behind. The next step."""
        self._underway.clear()
        self.checkpoints.finish()
        saved = self.checkpoints.read(self.standing.anchor)
        learner.restore(self.learning, saved)
        self.standing.targets = Standing(**saved.state).targets
        if self.records is not None:
            self.records.roll_back()
        self._save(spike + 1)
        return spike + 1

    def _measure(self, step: int) -> None:
        if self.validate is None:
            return
        loss, standing = self.validate(), self.standing
        if self.records is not None:
            self.records.note(validation_loss=loss)
        if standing.best_loss is None or loss < standing.best_loss:
            standing.best_loss, standing.best_step, standing.worse_in_a_row = loss, step, 0
        else:
            standing.worse_in_a_row += 1

    def _save(self, step: int, *, due: bool = True) -> None:
        self.standing.cursor = consumed(self.plan, step)
        if due:
            self.standing.anchor = step
        if self.records is not None:
            self.records.close_part()
            self.standing.parts = [asdict(part) for part in self.records.closed]
        self.checkpoints.begin(
            step, learner.tensors(self.learning), asdict(self.standing), keep={self.standing.anchor, self.standing.best_step}
        )

    def _say(self, line: str) -> None:
        if self.learning.ranks.first:
            print(line, file=sys.stderr, flush=True)
