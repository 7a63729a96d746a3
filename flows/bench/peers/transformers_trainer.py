"""Hugging Face's `Trainer` as its documentation starts it, on random tokens; it holds the dialogue of `training.timing`.

Arguments: `config.json` of a Qwen3 model, rows a step, tokens a row, steps to warm up, seconds a round, cpu or cuda, threads, and
`compile` or `eager`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from typing import Any

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM, Trainer, TrainerCallback, TrainingArguments


class Rounds(TrainerCallback):
    """Waits for a line before every round, and tells what it took."""

    def __init__(self, warm_steps: int, round_s: float, cuda: bool) -> None:
        self.warm_steps, self.round_s, self.cuda = warm_steps, round_s, cuda
        self.began: tuple[float, float, int] | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """One more step is done."""
        if state.global_step < self.warm_steps:
            return
        if self.began and time.perf_counter() - self.began[1] < self.round_s:
            return
        if self.cuda:
            torch.cuda.synchronize()
        if self.began is None:
            print("ready", flush=True)
        else:
            cpu, wall, first = self.began
            print(time.process_time() - cpu, time.perf_counter() - wall, state.global_step - first, flush=True)
        if not sys.stdin.readline():
            control.should_training_stop = True
        self.began = time.process_time(), time.perf_counter(), state.global_step


def main() -> None:
    """Train until nobody asks for another round."""
    rows, tokens, warm_steps = map(int, sys.argv[2:5])
    cuda = sys.argv[6] == "cuda"
    torch.set_num_threads(int(sys.argv[7]))
    with open(sys.argv[1]) as file:
        config = Qwen3Config(**json.load(file))
    torch.manual_seed(0)
    drawn = torch.randint(config.vocab_size, (64 * rows, tokens))
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=rows,
            num_train_epochs=10**6,
            bf16=True,
            use_cpu=not cuda,
            torch_compile=sys.argv[8] == "compile",
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        )
        data = [{"input_ids": row, "labels": row} for row in drawn]
        rounds = Rounds(warm_steps, float(sys.argv[5]), cuda)
        Trainer(model=Qwen3ForCausalLM(config), args=arguments, train_dataset=data, callbacks=[rounds]).train()


if __name__ == "__main__":
    main()
