"""Hugging Face's `Trainer` as its documentation starts it, on random tokens: seconds a step.

Arguments: a file of JSON with `model` (a Qwen3 configuration), `rows`, `tokens`, `rounds`, `warm`, `device`, `compile` and `threads`.
Standard output, line by line as it comes: `ready` once the first `warm` steps are done, then for every line `go` on standard input the
seconds that a round of `round_steps` steps took, CPU seconds and wall seconds.
"""

from __future__ import annotations

import json
import sys
import time

import torch
from torch.utils.data import Dataset
from transformers import Qwen3Config, Qwen3ForCausalLM, Trainer, TrainerCallback, TrainingArguments


class Rows(Dataset):
    """Random rows, each its own labels."""

    def __init__(self, rows: int, tokens: int, vocabulary: int) -> None:
        self.rows = torch.randint(vocabulary, (rows, tokens), generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"input_ids": self.rows[index], "labels": self.rows[index]}


class Rounds(TrainerCallback):
    """Waits for `go` before every round and tells its time."""

    def __init__(self, asked: dict) -> None:
        self.asked = asked

    def on_step_end(self, args, state, control, **_):
        done = state.global_step - self.asked["warm"]
        if done < 0 or done % self.asked["round_steps"]:
            return
        if self.asked["device"] == "cuda":
            torch.cuda.synchronize()
        print(*(["ready"] if done == 0 else [time.process_time() - self.cpu, time.perf_counter() - self.wall]), flush=True)
        if done == self.asked["rounds"] * self.asked["round_steps"]:
            control.should_training_stop = True
            return
        sys.stdin.readline()
        self.cpu, self.wall = time.process_time(), time.perf_counter()


def main() -> None:
    with open(sys.argv[1]) as file:
        asked = json.load(file)
    torch.set_num_threads(asked["threads"])
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(Qwen3Config(**asked["model"]))
    steps = asked["warm"] + asked["rounds"] * asked["round_steps"]
    arguments = TrainingArguments(
        output_dir=asked["folder"],
        per_device_train_batch_size=asked["rows"],
        max_steps=steps,
        bf16=True,
        use_cpu=asked["device"] == "cpu",
        torch_compile=asked["compile"],
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )
    data = Rows(asked["rows"] * 4, asked["tokens"], asked["model"]["vocab_size"])
    Trainer(model=model, args=arguments, train_dataset=data, callbacks=[Rounds(asked)]).train()


if __name__ == "__main__":
    main()
