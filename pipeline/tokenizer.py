"""A byte-level BPE tokenizer: trained on a corpus, encoding, and the report on how well it fits.

Byte-pair encoding: Sennrich et al. 2016; over bytes, behind a split pattern: Radford et al. 2019 (GPT-2). All 256 bytes
are entries, so that any text survives encoding and decoding.
"""

from __future__ import annotations

import heapq
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from xxhash import xxh3_128_intdigest

from pipeline.schema import show
from pipeline.step import Strict, versions
from pipeline.store import Built, Manifest, Store, Version

VERSION = 1
USES = ("tokenizers",)

SPLITS = ("train", "validation", "test")
END_OF_TEXT = "<|endoftext|>"  # begins every document, and so ends the one before it
MIN_PAIR_COUNT = 2  # a pair seen once teaches nothing
BLANK_CHARS = 1_000_000  # the engines' regular expressions give up on longer runs of white space
GROUP_CHARS = 1_000_000  # encoded at once: the engine holds hundreds of bytes for each token

# How text is cut before merging, as published: GPT-2's, GPT-4's (cl100k); Llama 3 took over the latter.
_GPT4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
PATTERNS = {
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "gpt4": _GPT4,
    "llama3": _GPT4,
}


class TokenizerConfig(Strict):
    """What a tokenizer is trained to be, and on how much."""

    vocabulary: int = Field(8192, ge=257, le=2**20)  # entries at most, the 256 bytes and `<|endoftext|>` included
    pattern: Literal["gpt2", "gpt4", "llama3"] = "gpt4"
    sample_mb: int = Field(100, ge=1)  # text drawn from each split: to train on from `train`, to report on from all; 10^6 bytes
    seed: int = Field(0, ge=0, lt=2**64)  # of the draw


@dataclass(frozen=True)
class Encoder:
    """A tokenizer in memory. `beginning` is the token that every document starts with."""

    tokenizer: Tokenizer
    beginning: int

    @property
    def vocabulary(self) -> int:
        """Entries, special tokens included."""
        return int(self.tokenizer.get_vocab_size())

    @property
    def width(self) -> np.dtype[Any]:
        """The narrowest of uint16 and uint32 that holds every token."""
        return np.dtype(np.uint16 if self.vocabulary <= 2**16 else np.uint32)


class Document(NamedTuple):
    """A document of a sample."""

    doc_id: bytes
    source: str
    text: str


class Draw:
    """The documents of smallest seeded hash that together fit into `limit` bytes, and at least one.

    They are the same ones whatever order the documents are offered in.
    """

    def __init__(self, limit: int, seed: int) -> None:
        self._limit, self._seed = limit, seed
        self._held: list[tuple[int, int, Document]] = []  # a heap: minus the hash, bytes, the document
        self._bytes = 0
        self._ceiling = 2**128  # the smallest hash turned away: no larger one may come in after it

    def offer(self, document: Document) -> None:
        """Let a document take part."""
        key = xxh3_128_intdigest(document.doc_id, self._seed)
        if key >= self._ceiling:
            return
        size = len(document.text.encode())
        heapq.heappush(self._held, (-key, size, document))
        self._bytes += size
        while self._bytes > self._limit and len(self._held) > 1:
            largest, freed, _ = heapq.heappop(self._held)
            self._ceiling = -largest
            self._bytes -= freed

    def documents(self) -> list[Document]:
        """What was drawn, in `doc_id` order."""
        return sorted(document for _, _, document in self._held)


def build(store: Store, name: str, corpus: str, config: TokenizerConfig) -> Built:
    """The tokenizer trained on a corpus version, at `tokenizers/<name>/<fingerprint>`.

    A folder that `transformers.AutoTokenizer.from_pretrained` opens, and `report.json`. `ValueError` where there is no
    finished corpus at `corpus`, where it has no document to train on, or where a text does not survive a round trip.
    """
    manifest = store.manifest(corpus)
    if manifest is None:
        raise ValueError(f"{store.uri(corpus)}: a finished corpus was expected here")
    spec = {
        "kind": "tokenizer",
        "version": VERSION,
        "uses": versions(USES),
        "corpus": manifest.fingerprint,
        "config": config.model_dump(mode="json"),
    }

    def write(version: Version) -> dict[str, int]:
        samples = draw(store, corpus, manifest, config)
        if not samples["train"]:
            raise ValueError(f"{store.uri(corpus)}: documents in the split 'train' were expected, to train a tokenizer on")
        encoder = train([document.text for document in samples["train"]], config)
        found = report(encoder, samples)
        version.write("tokenizer.json", encoder.tokenizer.to_str(pretty=True).encode())
        version.write("tokenizer_config.json", _json(TRANSFORMERS))
        version.write("report.json", _json(found))
        trained_on = [row for row in found["samples"] if row["split"] == "train"]
        return {
            "vocabulary": encoder.vocabulary,
            "unused_entries": len(found["unused_entries"]),
            "documents": sum(row["documents"] for row in trained_on),
            "bytes": sum(row["bytes"] for row in trained_on),
        }

    return store.build(f"tokenizers/{name}", spec, write)


# What transformers needs beside tokenizer.json.
TRANSFORMERS = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": END_OF_TEXT,
    "eos_token": END_OF_TEXT,
    "clean_up_tokenization_spaces": False,
}


def load(store: Store, path: str) -> Encoder:
    """The tokenizer of a finished version; `ValueError` where there is none."""
    if store.manifest(path) is None:
        raise ValueError(f"{store.uri(path)}: a finished tokenizer was expected here")
    tokenizer = Tokenizer.from_str(store.read(f"{path}/tokenizer.json").decode())
    return _encoder(tokenizer, json.loads(store.read(f"{path}/tokenizer_config.json"))["bos_token"])


def encode(encoder: Encoder, texts: Sequence[str]) -> list[npt.NDArray[Any]]:
    """The tokens of each text, the beginning-of-text one first, as arrays of `encoder.width`. A special token's name in a text is text."""
    parts = [[np.array([encoder.beginning], encoder.width)] for _ in texts]
    for group in _groups(texts):
        found = encoder.tokenizer.encode_batch_fast([piece for _, piece in group], add_special_tokens=False)
        for (row, _), encoding in zip(group, found, strict=True):
            parts[row].append(np.array(encoding.ids, encoder.width))
    return [np.concatenate(part) for part in parts]


def draw(store: Store, corpus: str, manifest: Manifest, config: TokenizerConfig) -> dict[str, list[Document]]:
    """A sample of each split's documents by a seeded hash of `doc_id`, at most `sample_mb` each, in `doc_id` order."""
    draws = {split: Draw(config.sample_mb * 1_000_000, config.seed) for split in SPLITS}
    for path in manifest.paths("documents"):
        for batch in store.batches(f"{corpus}/{path}", ["doc_id", "source", "split", "text"], rows=64):
            ids = batch["doc_id"].storage.to_pylist()
            columns = (batch[name].to_pylist() for name in ("split", "source", "text"))
            for doc_id, split, source, text in zip(ids, *columns, strict=True):
                if split not in draws:
                    raise ValueError(f"{store.uri(corpus)}/{path}: a split of {', '.join(SPLITS)} was expected, not {split!r}")
                draws[split].offer(Document(doc_id, source, text))
    return {split: drawn.documents() for split, drawn in draws.items()}


def train(texts: Sequence[str], config: TokenizerConfig) -> Encoder:
    """Byte-level BPE over the texts: the same entries whatever order they come in. Small text gives fewer entries than asked for."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERNS[config.pattern]), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocabulary,
        min_frequency=MIN_PAIR_COUNT,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((piece for text in texts for piece in _pieces(text)), trainer=trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{END_OF_TEXT} $A",
        pair=f"{END_OF_TEXT} $A $B:1",
        special_tokens=[(END_OF_TEXT, tokenizer.token_to_id(END_OF_TEXT))],
    )
    return _encoder(tokenizer, END_OF_TEXT)


def report(encoder: Encoder, samples: dict[str, list[Document]]) -> dict[str, Any]:
    """How well a tokenizer fits: bytes a token by split and source, and the entries that the train sample never uses.

    Tokens are counted without the beginning-of-text one. `ValueError` names the first document that does not decode to its own text.
    """
    used = np.zeros(encoder.vocabulary, bool)
    used[encoder.beginning] = True
    rows = []
    for split, documents in samples.items():
        by_source: dict[str, list[Document]] = defaultdict(list)
        for document in documents:
            by_source[document.source].append(document)
        for source, own in sorted(by_source.items()):
            tokens, size = 0, 0
            for document, ids in _round_trips(encoder, own):
                tokens += len(ids)
                size += len(document.text.encode())
                if split == "train":
                    used[ids] = True
            row = {"split": split, "source": source, "documents": len(own), "bytes": size, "tokens": tokens}
            rows.append({**row, "bytes_per_token": round(size / tokens, 4) if tokens else None})
    unused = [encoder.tokenizer.id_to_token(int(token)) for token in np.flatnonzero(~used)]
    return {"vocabulary": encoder.vocabulary, "samples": rows, "unused_entries": unused}


def _round_trips(encoder: Encoder, documents: list[Document]) -> Iterator[tuple[Document, npt.NDArray[Any]]]:
    """Each document with its tokens, the beginning-of-text one left off, once they have decoded to its text again."""
    for first in range(0, len(documents), 64):
        some = documents[first : first + 64]
        ids = [tokens[1:] for tokens in encode(encoder, [document.text for document in some])]
        texts = encoder.tokenizer.decode_batch([tokens.tolist() for tokens in ids], skip_special_tokens=False)
        for document, tokens, text in zip(some, ids, texts, strict=True):
            if text != document.text:
                raise ValueError(f"document {show(document.doc_id)} was expected to decode to its own text, and does not")
            yield document, tokens


def _encoder(tokenizer: Tokenizer, beginning: str) -> Encoder:
    token = tokenizer.token_to_id(beginning)
    if token is None:
        raise ValueError(f"a tokenizer with the entry {beginning!r}, its beginning of text, was expected")
    tokenizer.encode_special_tokens = True  # a page about tokenizers must not end its own document
    return Encoder(tokenizer, token)


def _pieces(text: str) -> list[str]:
    """The text, cut where a run of white space is too long for the engines."""
    if len(text) <= BLANK_CHARS:
        return [text]
    runs = re.finditer(rf"\s{{{BLANK_CHARS}}}|\s++", text)
    cuts = [0, *(run.end() for run in runs if run.end() - run.start() == BLANK_CHARS), len(text)]
    return [text[start:end] for start, end in pairwise(cuts)]


def _groups(texts: Sequence[str]) -> Iterator[list[tuple[int, str]]]:
    """The pieces of the texts with their rows, about `GROUP_CHARS` at a time."""
    group: list[tuple[int, str]] = []
    chars = 0
    for row, text in enumerate(texts):
        for piece in _pieces(text):
            group.append((row, piece))
            chars += len(piece)
            if chars >= GROUP_CHARS:
                yield group
                group, chars = [], 0
    yield group


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
