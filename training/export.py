"""The model folder: what `transformers` opens as it is, with `AutoModelForCausalLM` and `AutoTokenizer`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from pipeline.store import Store, Version
from training.model import Decoder
from training.settings import ModelConfig, version

FOLDER = "model"


def write(run: Version, shape: ModelConfig, weights: Mapping[str, Tensor], tokenizer: str, sequence_tokens: int) -> None:
    """Write `model/` of a run: configuration, weights in 32 bits, and the files of the tokenizer version."""
    store = run.store
    beginning = beginning_of(store, tokenizer)
    run.write(f"{FOLDER}/config.json", _json(configuration(shape, len(weights["model.embed_tokens.weight"]), sequence_tokens, beginning)))
    special = {"bos_token_id": beginning, "eos_token_id": beginning, "pad_token_id": beginning}
    run.write(f"{FOLDER}/generation_config.json", _json(special))
    run.write(f"{FOLDER}/model.safetensors", save(dict(weights), metadata={"format": "pt"}))
    for part in version(store, tokenizer).files:
        if part.path.startswith("tokenizer"):
            run.write(f"{FOLDER}/{part.path}", store.read(f"{tokenizer}/{part.path}"))


def read(store: Store, run: str) -> Decoder:
    """The model of a finished run, in our own form."""
    found = version(store, run)
    shape = json.loads(store.read(f"{run}/{FOLDER}/config.json"))
    model = Decoder(ModelConfig.model_validate(found.spec["model"]), shape["vocab_size"])
    model.load_state_dict(load(store.read(f"{run}/{FOLDER}/model.safetensors")))
    return model


def configuration(config: ModelConfig, vocabulary: int, sequence_tokens: int, beginning: int) -> dict[str, Any]:
    """The configuration of the same shape, Qwen3's, or Llama's where queries and keys are not normalised.

    The base of rotary positions stands there by its name in transformers 5 and in 4.
    """
    family = "Qwen3" if config.qk_norm else "Llama"
    return {
        "architectures": [f"{family}ForCausalLM"],
        "model_type": family.lower(),
        "vocab_size": vocabulary,
        "hidden_size": config.width,
        "intermediate_size": config.feed_forward,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_width,
        "hidden_act": "silu",
        "max_position_embeddings": sequence_tokens,
        "rms_norm_eps": config.norm_epsilon,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rotary_base},
        "rope_theta": config.rotary_base,
        "tie_word_embeddings": config.tied,
        "attention_bias": False,
        "mlp_bias": False,
        "attention_dropout": 0.0,
        "use_cache": True,
        "bos_token_id": beginning,
        "eos_token_id": beginning,
        "pad_token_id": beginning,
        "dtype": "float32",
    }


def beginning_of(store: Store, tokenizer: str) -> int:
    """The number of the token that begins a document, and that a model says when one has ended."""
    beginning = json.loads(store.read(f"{tokenizer}/tokenizer_config.json"))["bos_token"]
    for token in json.loads(store.read(f"{tokenizer}/tokenizer.json"))["added_tokens"]:
        if token["content"] == beginning:
            return int(token["id"])
    raise ValueError(f"{store.uri(tokenizer)}: a tokenizer with the token {beginning} was expected")


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()
