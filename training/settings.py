"""What may be set in training and evaluation, and where a run lies: known without torch, so that flows can ask.

A job is what a process of training or evaluation is given, as JSON: what to work on, and on what machine. Only its
configurations and the fingerprints of what it reads enter the fingerprint of the result; paths and machines never do.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, model_validator

from pipeline.step import Strict, versions
from pipeline.store import Manifest, Spec, Store, fingerprint

VERSION = 2  # of a run: raised when the same settings give other losses or weights
USES = ("torch",)
EVALUATION_VERSION = 2
EVALUATION_USES = ("torch", "transformers")
MEASURE_VERSION = 1
MEASURE_USES = ("tokenizers", "torch")

MIN_DOCUMENTS, MIN_BYTES = 100, 500_000  # held out: below either a figure says little

Positive = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
PositiveReal = Annotated[float, Field(gt=0)]
Real = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Pair = Annotated[tuple[Positive, Positive], Field(strict=False)]
Range = Annotated[tuple[Count, Count, Positive], Field(strict=False)]
Momentum = Annotated[float, Field(ge=0, lt=1)]

SMALL_VOCABULARY, LARGE_VOCABULARY = 4096, 32768

# Named by their parameters, within a fifth, at a vocabulary of 4096 up to `10m` and of 32768 from there on. From `30m` on heads are as
# wide as attention kernels like them. `demo` has 2.5 million.
SIZES: Mapping[str, Mapping[str, int | bool]] = {
    "1m": {"layers": 3, "width": 128, "heads": 2, "kv_heads": 2, "feed_forward": 320, "tied": True},
    "demo": {"layers": 4, "width": 192, "heads": 3, "kv_heads": 3, "feed_forward": 512, "tied": True},
    "10m": {"layers": 6, "width": 320, "heads": 5, "kv_heads": 5, "feed_forward": 896, "tied": True},
    "30m": {"layers": 9, "width": 384, "heads": 3, "kv_heads": 1, "feed_forward": 1152, "tied": True},
    "124m": {"layers": 12, "width": 768, "heads": 6, "kv_heads": 2, "feed_forward": 2048, "tied": False},
    "350m": {"layers": 24, "width": 1024, "heads": 8, "kv_heads": 4, "feed_forward": 2816, "tied": False},
    "1b": {"layers": 24, "width": 1792, "heads": 14, "kv_heads": 7, "feed_forward": 4864, "tied": False},
}


class ModelConfig(Strict):
    """A decoder's shape. `size` names a preset of `SIZES`, and further keys replace its values.

    A shape is known by its numbers: the same one by name or spelled out has the same fingerprint.
    """

    layers: Positive
    width: Positive
    heads: Positive
    kv_heads: Positive
    feed_forward: Positive
    tied: bool = True  # the output projection is the embedding
    qk_norm: bool = True  # queries and keys are normalised by head: Qwen3; else Llama
    rotary_base: PositiveReal = 10_000.0
    norm_epsilon: PositiveReal = 1e-6
    vocabulary_multiple: Positive = 64  # the vocabulary is padded to a multiple of it

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        given = dict(value)
        if "size" not in given and "layers" in given:
            return given
        size = given.pop("size", "demo")
        if size not in SIZES:
            raise ValueError(f"a size among {', '.join(SIZES)}, not {size!r}")
        return {**SIZES[size], **given}

    @model_validator(mode="after")
    def _divides(self) -> ModelConfig:
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ValueError(f"a width of an even number of channels for each of {self.heads} heads, not {self.width}")
        if self.heads % self.kv_heads:
            raise ValueError(f"a number of kv_heads that divides the {self.heads} heads, not {self.kv_heads}")
        return self

    @property
    def head_width(self) -> int:
        """Channels of one head."""
        return self.width // self.heads

    @property
    def layer_weights(self) -> int:
        """Numbers in the matrices of all layers."""
        attention = 2 * self.width * self.head_width * (self.heads + self.kv_heads)
        return self.layers * (attention + 3 * self.width * self.feed_forward)

    def weights(self, vocabulary: int) -> int:
        """All numbers of a model with this many rows in its embedding."""
        norms = 2 * self.width + (2 * self.head_width if self.qk_norm else 0)
        return self.layer_weights + self.layers * norms + self.width + vocabulary * self.width * (1 if self.tied else 2)

    def padded(self, vocabulary: int) -> int:
        """The rows of the embedding for a vocabulary."""
        return math.ceil(vocabulary / self.vocabulary_multiple) * self.vocabulary_multiple


class GuardConfig(Strict):
    """Which steps must not move the weights, and what is done where one would."""

    on_spike: Literal["skip", "roll_back", "stop"] = "skip"  # of a loss or gradient norm beyond `sigmas`; one not finite is always skipped
    sigmas: PositiveReal = 6.0  # standard deviations above the mean of the last steps
    window_steps: Annotated[int, Field(ge=2)] = 128  # nothing is a spike before half as many were taken
    max_skipped_steps: Positive = 10  # in a row: more of them stop the run


class ValidationConfig(Strict):
    """What is measured on held-out documents at each checkpoint, and when it is enough."""

    documents: Count = 0  # of the validation split at most, those of smallest `doc_id`; 0: none is measured
    patience: Positive | None = None  # checkpoints without a lower loss, after which training ends with the best one's weights

    @model_validator(mode="after")
    def _measured(self) -> ValidationConfig:
        if self.patience and not self.documents:
            raise ValueError("documents > 0 where there is a patience: without them nothing is measured")
        return self


class StartConfig(Strict):
    """The checkpoint that a run starts from."""

    checkpoint: str  # from the root: runs/<name>/<fingerprint>/checkpoints/<step>
    keep: Literal["weights", "all"] = "weights"  # all: optimizer and place in the order too, as a branch of that run


class TrainConfig(Strict):
    """How a model is trained. A step reads `sequences_per_step` sequences of an epoch's order, or what is left of it."""

    sequence_tokens: Positive = 128
    sequences_per_step: Positive = 8
    sequences_per_pass: Positive | None = None  # gradients add up over several passes where it is smaller than a step
    ramp: Annotated[tuple[Pair, ...], Field(strict=False)] = ()  # before that, (steps, sequences a step) one after another
    skip: Annotated[tuple[Range, ...], Field(strict=False)] = ()  # (epoch, first, end): sequences that no step reads
    epochs: Positive = 1  # packing plans made, one an epoch
    steps: Positive | None = None  # None: all of every epoch
    optimizer: Literal["adamw", "muon"] = "muon"  # muon: for the matrices of the layers, and AdamW for all else
    learning_rate: PositiveReal = 4e-3  # of AdamW
    muon_learning_rate: PositiveReal = 0.02
    muon_momentum: Momentum = 0.95
    muon_scale: Literal["original", "match_rms_adamw"] = "original"
    schedule: Literal["wsd", "cosine"] = "wsd"
    warmup_steps: Count = 30
    decay_share: Share = 0.5  # of the steps, at the end, for `wsd`
    final_share: Share = 0.0  # of the learning rate, at the end
    weight_decay: Real = 0.1  # on matrices, the embedding apart
    beta1: Momentum = 0.9
    beta2: Momentum = 0.95
    clip_norm: PositiveReal = 1.0
    z_loss: Real = 0.0  # share of the squared log-sum-exp that is added to the loss
    seed: int = 0
    precision: Literal["bfloat16", "float32"] = "bfloat16"
    compile: bool = False
    masks: bool = True  # documents of a row see nothing of each other
    attention: Literal["auto", "dense", "varlen", "flex"] = "auto"  # auto: the fastest of the device
    loss_chunk_tokens: Positive = 1024  # tokens whose logits are in memory at once
    checkpoint_every_steps: Positive = 100
    keep_checkpoints: Positive = 2  # the newest; the one of lowest validation loss stays besides
    deterministic: bool = True
    strategy: Literal["ddp", "fsdp"] = "ddp"  # of several processes: all hold all weights, or each holds its share of them
    guard: GuardConfig = GuardConfig()
    validation: ValidationConfig = ValidationConfig()
    start: StartConfig | None = None

    @model_validator(mode="after")
    def _skips(self) -> TrainConfig:
        for epoch, first, end in self.skip:
            if epoch >= self.epochs or first >= end:
                raise ValueError(
                    f"skip: an epoch below {self.epochs}, and an end after the first, were expected, not {[epoch, first, end]}"
                )
        return self


class EvaluateConfig(Strict):
    """How a model is measured on held-out documents."""

    splits: Annotated[tuple[Literal["validation", "test"], ...], Field(strict=False)] = ("validation", "test")
    stride_tokens: Positive | None = None  # from one window to the next; None: a window, so that they are disjoint
    quality_signal: str | None = None  # a numeric one of the corpus, such as perplexity_perplexity, whose tenths are told apart
    five_gram_tokens: Positive = 2**23  # of train at most, which the 5-gram model is told
    windows_per_pass: Positive = 16
    bootstrap_resamples: Positive = 1000
    samples: Count = 2
    prompt_chars: Positive = 120
    sample_tokens: Positive = 96
    temperature: Real = 0.7
    top_k: Count = 40
    seed: int = 0


class TrainJob(Strict):
    """One pretraining: `tokens`, `orders` (a packing plan for each epoch) and `tokenizer` are versions, as paths from the root."""

    root: str
    name: str
    tokens: str
    orders: tuple[str, ...] = Field(min_length=1, strict=False)
    tokenizer: str
    model: ModelConfig = Field(default_factory=lambda: ModelConfig.model_validate({}))
    train: TrainConfig = TrainConfig()
    device: Literal["cpu", "cuda"] = "cpu"
    threads: Positive | None = None  # None: one a core
    cache: str | None = None  # a local folder; None: `cache` under the root


class EvaluateJob(Strict):
    """One evaluation: `run`, `tokens` and `corpus` are versions, as paths from the root."""

    root: str
    name: str
    run: str
    tokens: str
    corpus: str
    evaluate: EvaluateConfig = EvaluateConfig()
    device: Literal["cpu", "cuda"] = "cpu"
    threads: Positive | None = None
    cache: str | None = None


class MeasureJob(Strict):
    """One measuring of any documents: `run`, its `tokenizer` and `documents` are versions, as paths from the root."""

    root: str
    name: str
    run: str
    tokenizer: str
    documents: str
    windows_per_pass: Positive = 16
    device: Literal["cpu", "cuda"] = "cpu"
    threads: Positive | None = None


Job = TypeVar("Job", TrainJob, EvaluateJob, MeasureJob)


def read_job(path: str, kind: type[Job]) -> Job:
    """The job in a JSON file; `ValueError` of one line where it is not one."""
    try:
        return kind.model_validate_json(Path(path).read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: a readable file was expected: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{path}: {'.'.join(map(str, first['loc'])) or 'job'}: {first['msg']}") from error


def version(store: Store, path: str) -> Manifest:
    """The manifest of a version that something reads; `ValueError` where there is none."""
    found = store.manifest(path)
    if found is None:
        raise ValueError(f"{store.uri(path)}: a finished version was expected there")
    return found


def cache_folder(store: Store, job: TrainJob | EvaluateJob) -> Path:
    """Where what is derived from versions is kept for a job."""
    return Path(job.cache) if job.cache else store.folder("cache")


def run_spec(store: Store, job: TrainJob) -> Spec:
    """All that determines a run's losses and weights, given the machine."""
    start = job.train.start
    return {
        "kind": "run",
        "version": VERSION,
        "uses": versions(USES),
        "tokens": version(store, job.tokens).fingerprint,
        "orders": [version(store, order).fingerprint for order in job.orders],
        "tokenizer": version(store, job.tokenizer).fingerprint,
        "model": job.model.model_dump(mode="json"),
        "train": job.train.model_dump(mode="json", exclude={"start"}),
        "start": start and {"checkpoint": version(store, start.checkpoint).fingerprint, "keep": start.keep},
    }


def run_place(store: Store, job: TrainJob) -> str:
    """Where the run lies: `runs/<name>/<fingerprint>`, there or not yet."""
    return f"runs/{job.name}/{fingerprint(run_spec(store, job))}"


def evaluation_spec(store: Store, job: EvaluateJob) -> Spec:
    """All that determines an evaluation's figures, given the machine."""
    return {
        "stage": "evaluation",
        "version": EVALUATION_VERSION,
        "uses": versions(EVALUATION_USES),
        "run": version(store, job.run).fingerprint,
        "tokens": version(store, job.tokens).fingerprint,
        "corpus": version(store, job.corpus).fingerprint,
        "config": job.evaluate.model_dump(mode="json"),
    }


def evaluation_place(store: Store, job: EvaluateJob) -> str:
    """Where the evaluation lies: `evaluations/<name>/<fingerprint>`, there or not yet."""
    return f"evaluations/{job.name}/{fingerprint(evaluation_spec(store, job))}"


def measure_spec(store: Store, job: MeasureJob) -> Spec:
    """All that determines the nats of documents, given the machine."""
    return {
        "stage": "measuring",
        "version": MEASURE_VERSION,
        "uses": versions(MEASURE_USES),
        "run": version(store, job.run).fingerprint,
        "documents": version(store, job.documents).fingerprint,
    }


def measure_place(store: Store, job: MeasureJob) -> str:
    """Where the measures lie: `measured/<name>/<fingerprint>`, there or not yet."""
    return f"measured/{job.name}/{fingerprint(measure_spec(store, job))}"


def few(documents: int, size: int) -> bool:
    """Whether so many held-out documents of so many bytes are too few to go by."""
    return documents < MIN_DOCUMENTS or size < MIN_BYTES


def say(**values: object) -> None:
    """One JSON line to standard output: how a process tells its outcome."""
    print(json.dumps(values), flush=True)
