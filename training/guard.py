"""Steps that must not move the weights: a loss or gradient that is no finite number, or far above the steps before it.

Far above is `sigmas` standard deviations over the mean of the last `window_steps` steps that were taken, of the loss or of
the gradient's norm. It is decided on the device, so that nobody waits for the host to read it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.settings import GuardConfig

OUTCOMES = ("taken", "not_finite", "spike")  # by the number that `judge` gives


class Guard:
    """The last steps' losses and gradient norms."""

    def __init__(self, config: GuardConfig, device: torch.device | str) -> None:
        self._config = config
        self._values = torch.zeros(2, config.window_steps, dtype=torch.float64, device=device)
        self._seen = torch.zeros((), dtype=torch.int64, device=device)

    def judge(self, loss: Tensor, norm: Tensor) -> Tensor:
        """The outcome of a step with this loss and gradient norm, as a number of `OUTCOMES`; a step that is taken is remembered."""
        new = torch.stack([loss, norm]).double()
        size = self._values.shape[1]
        count = self._seen.clamp(max=size)
        known = torch.arange(size, device=new.device) < count
        mean = (self._values * known).sum(1) / count.clamp(min=1)
        spread = (((self._values - mean[:, None]) ** 2 * known).sum(1) / count.clamp(min=1)).sqrt()
        high = (new > mean + self._config.sigmas * spread).any() & (count >= size // 2)
        outcome = torch.where(new.isfinite().all(), torch.where(high, 2, 0), 1)
        taken = outcome == 0
        place = torch.arange(size, device=new.device) == self._seen % size
        self._values.copy_(torch.where(place & taken, new[:, None], self._values))
        self._seen += taken
        return outcome

    def tensors(self) -> dict[str, Tensor]:
        """All that it remembers."""
        return {"guard/values": self._values, "guard/seen": self._seen}
