"""Text from a model folder, through `transformers`."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging


def generate(folder: str, prompt: str, *, max_tokens: int = 128, temperature: float = 0.7, top_k: int = 40, seed: int = 0) -> str:
    """What the model adds to `prompt`: the same for the same seed.

    Greedy where `temperature` is 0; among all tokens where `top_k` is 0. Ends where the model ends the document, after
    `max_tokens`, or where its context is full; only the end of a prompt longer than half of that is read.
    """
    tokenizer, model = _open(folder)
    context = model.config.max_position_embeddings
    ids = tokenizer(prompt, add_special_tokens=False, split_special_tokens=True).input_ids
    read = torch.tensor([[tokenizer.bos_token_id, *ids[-(context // 2) :]]])
    chosen: dict[str, Any] = {"do_sample": True, "temperature": temperature, "top_k": top_k} if temperature else {"do_sample": False}
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        written = model.generate(
            read, attention_mask=torch.ones_like(read), max_new_tokens=max(1, min(max_tokens, context - read.shape[1])), **chosen
        )
    return tokenizer.decode(written[0, read.shape[1] :], skip_special_tokens=True)


@lru_cache(maxsize=1)
def _open(folder: str) -> tuple[Any, Any]:
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    return AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder).eval()
