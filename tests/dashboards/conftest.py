"""A small root with a few rows of every kind, written as the stages write, with text that means harm."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline import schema
from pipeline.store import Store, Version

HOSTILE = "<script>alert(\"x\")</script> \x1b[31mred\x1b[0m \x1b]0;title\x07 \u202eright to left\u202c & 'quoted'"
BAD_HOST = "<b onmouseover=alert(1)>host</b>"
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
COUNT = 40
RULES = ["language.code.in", "quality.words.min", "quality.symbols.max", "near.duplicate", "ingest.truncated"]


def key(number: int) -> bytes:
    return schema.doc_id("web", b"%d" % number)


def ids(numbers: list[int]) -> pa.Array:
    return schema.doc_ids([key(number) for number in numbers])


def table(of: pa.Schema, **columns: Any) -> pa.Table:
    """A table of the schema; a column that is not given is null."""
    rows = len(next(iter(columns.values())))
    arrays = [columns.get(field.name, pa.nulls(rows, field.type)) for field in of]
    return pa.table(
        [one if isinstance(one, pa.Array) else pa.array(one, field.type) for one, field in zip(arrays, of, strict=True)], schema=of
    )


def text(number: int) -> str:
    return f"{HOSTILE} {number}" if number % 5 == 0 else "plain words " * (number + 1)


def rule(number: int) -> str | None:
    """Every second record is kept; the others break the rules in turn."""
    return None if number % 2 else RULES[number // 2 % len(RULES)]


def _records(numbers: list[int]) -> pa.Table:
    broken = ["truncated" if rule(number) == "ingest.truncated" else None for number in numbers]
    return table(
        schema.RECORDS,
        doc_id=ids(numbers),
        source=["web"] * len(numbers),
        url=[f"http://site.example/{number % 30}?q='\"<i>" for number in numbers],
        host=[BAD_HOST if number % 4 == 0 else "site.example" for number in numbers],
        fetched_at=[NOON + timedelta(minutes=number) for number in numbers],
        file=["it's.warc.gz"] * len(numbers),
        offset=[100 * number for number in numbers],
        bytes=[len(text(number)) for number in numbers],
        content_type=["text/html"] * len(numbers),
        error=broken,
        error_detail=[kind and HOSTILE for kind in broken],
    )


def _signals(numbers: list[int]) -> pa.Table:
    measured = [
        ("language_code", pa.string()),
        ("language_score", pa.float64()),
        ("quality_words", pa.int64()),
        ("quality_symbols", pa.float64()),
    ]
    broken = ["truncated" if rule(number) == "ingest.truncated" else None for number in numbers]
    return table(
        pa.schema([*schema.SIGNALS, *measured]),
        doc_id=ids(numbers),
        error_step=[kind and "ingest" for kind in broken],
        error=broken,
        error_detail=[kind and HOSTILE for kind in broken],
        language_code=[None if kind else ["en", "de", "fr"][number % 3] for number, kind in zip(numbers, broken, strict=True)],
        language_score=[None if kind else 0.9 for kind in broken],
        quality_words=[None if kind else 3 * number for number, kind in zip(numbers, broken, strict=True)],
        quality_symbols=[None if kind else number / COUNT for number, kind in zip(numbers, broken, strict=True)],
    )


def _shard(store: Store, file: str, numbers: list[int]) -> str:
    readable = [number for number in numbers if rule(number) != "ingest.truncated"]

    def write(version: Version) -> dict[str, int]:
        version.table("records/part-00000.parquet", _records(numbers))
        version.table("texts/part-00000.parquet", table(schema.TEXTS, doc_id=ids(readable), text=[text(number) for number in readable]))
        version.table("signals/part-00000.parquet", _signals(numbers))
        return {"records": len(numbers)}

    spec = {
        "file": file,
        "steps": [{"name": "language", "use": "language", "gate": None}, {"name": "quality", "use": "gopher_quality", "gate": None}],
    }
    return store.build("shards", spec, write).manifest.fingerprint


def _fates(numbers: list[int]) -> pa.Table:
    rules = [rule(number) for number in numbers]
    values = {"quality.words.min": 12.0, "quality.symbols.max": 0.4}
    bounds = {"quality.words.min": 50.0, "quality.symbols.max": 0.1}
    twins = [key(1) if name == "near.duplicate" else None for name in rules]
    return table(
        schema.FATES,
        doc_id=ids(numbers),
        source=["web"] * len(numbers),
        kept=[name is None for name in rules],
        step=[name and name.split(".")[0] for name in rules],
        rule=rules,
        value=[values.get(name or "") for name in rules],
        bound=[bounds.get(name or "") for name in rules],
        broken=[[name, "quality.symbols.max"] if name == "quality.words.min" else [name] if name in bounds else [] for name in rules],
        duplicate_of=pa.ExtensionArray.from_storage(schema.DOC_ID, pa.array(twins, pa.binary(16))),
        similarity=[twin and 0.85 for twin in twins],
        twin_corpus=[twin and "demo" for twin in twins],
        detail=[HOSTILE if name == "ingest.truncated" else None for name in rules],
    )


def _corpus(store: Store, shards: list[str]) -> None:
    numbers = list(range(COUNT))
    copies = [number for number in numbers if rule(number) == "near.duplicate"]
    kept = [number for number in numbers if rule(number) is None]

    def write(version: Version) -> dict[str, int]:
        version.table("fates/part-00000.parquet", _fates(numbers))
        version.table(
            "duplicates/part-00000.parquet",
            table(
                schema.DUPLICATES,
                doc_id=ids(copies),
                duplicate_of=ids([1] * len(copies)),
                kind=["near"] * len(copies),
                similarity=[0.8 + 0.02 * place for place in range(len(copies))],
                twin_corpus=["demo"] * len(copies),
            ),
        )
        version.table(
            "documents/part-00000.parquet",
            table(
                schema.DOCUMENTS,
                doc_id=ids(kept),
                source=["web"] * len(kept),
                url=[f"http://site.example/{number}" for number in kept],
                split=["validation" if number % 7 == 0 else "train" for number in kept],
                text=[text(number) for number in kept],
            ),
        )
        version.table(
            "cuts/part-00000.parquet",
            table(
                schema.CUTS,
                doc_id=ids([1, 3, 3, 5]),
                rule=["host_lines.repeated"] * 3 + ["lines.repeated"],
                start=[6, 6, 12, 0],
                end=[12, 12, 18, len(HOSTILE.encode())],
                line=[-7, -7, -7, 9],
                pages=[2, 2, 2, 3],
            ),
        )
        return {"records": COUNT, "kept": len(kept)}

    unset = {"min": None, "max": None, "in": None, "not_in": None, "by_language": {}, "null": False}
    words = {**unset, "min": 50.0, "by_language": {"de": {**unset, "min": 40.0}}}
    bounds = [
        ["language", [["code", {**unset, "in": ["en", "de", "fr"]}]]],
        ["quality", [["words", words], ["symbols", {**unset, "max": 0.1}]]],
    ]
    built = store.build("corpora/demo", {"shards": shards, "bounds": bounds}, write)
    store.point("corpora/demo", built.manifest.fingerprint)


def _tokens(store: Store) -> str:
    kept = [number for number in range(COUNT) if rule(number) is None]

    def write(version: Version) -> dict[str, int]:
        for split in ("train", "validation", "test"):
            own = [number for number in kept if split == ("validation" if number % 7 == 0 else "train")]
            rows = table(
                schema.tokens(pa.uint16()),
                doc_id=ids(own) if own else schema.doc_ids([]),
                source=["web"] * len(own),
                bytes=[len(text(number)) for number in own],
                tokens=[list(range(number + 2)) for number in own],
            )
            version.table(f"{split}/part-00000.parquet", rows)
        return {"documents": len(kept)}

    built = store.build("tokens/demo", {"kind": "tokens"}, write)
    store.point("tokens/demo", built.manifest.fingerprint)
    return built.manifest.fingerprint


def train() -> list[int]:
    return [number for number in range(COUNT) if rule(number) is None and number % 7]


def _order(store: Store, tokens: str, epoch: int) -> str:
    read = train()[::-1] if epoch else train()

    def write(version: Version) -> dict[str, int]:
        rows = table(
            schema.ORDER,
            sequence=list(range(len(read))),
            position=[0] * len(read),
            doc_id=ids(read),
            start=[0] * len(read),
            length=[number + 2 for number in read],
            row=[train().index(number) for number in read],
            component=["web"] * len(read),
        )
        version.table("sequences/part-00000.parquet", rows)
        total = sum(number + 2 for number in read)
        taken = {"component": ["web"], "documents": [len(read)], "tokens": [total], "share": [1.0], "target": [total], "capped": [False]}
        version.table("mixture.parquet", table(schema.MIXTURE, **taken))
        counts = {"sequences": len(read), "placed": len(read), "documents_cut": 0, "documents_cut_concatenated": 10}
        return {**counts, "tokens": total, "padding_tokens": 64 * len(read) - total}

    config = {"packing": "best_fit", "sequence_tokens": 64}
    return store.build("order", {"kind": "order", "tokens": tokens, "epoch": epoch, "config": config}, write).manifest.fingerprint


def _run(store: Store, tokens: str, orders: list[str]) -> None:
    """Two epochs, one sequence a step, a document a sequence; step 3 meets a document harder than the step, step 30 is a spike."""
    read = [*train(), *train()[::-1]]
    losses = [8.0 / (1 + step / 4) + (6 if step == 30 else 0) for step in range(len(read))]

    def write(version: Version) -> dict[str, int]:
        count = len(read)
        version.table(
            "steps/part-00000.parquet",
            table(
                schema.STEPS,
                step=list(range(count)),
                epoch=[step // len(train()) for step in range(count)],
                first_sequence=[step % len(train()) for step in range(count)],
                sequences=[1] * count,
                loss=losses,
                learning_rate=[1e-3] * count,
                gradient_norm=[1.0] * count,
                tokens=[100] * count,
                seconds=[0.5] * count,
                attempt=[0] * count,
                outcome=["spike" if step == 3 else "taken" for step in range(count)],
                mfu=[None] * count,
                memory_bytes=[10**9] * count,
                validation_loss=[None] * count,
            ),
        )
        version.table(
            "document_losses/part-00000.parquet",
            table(
                schema.DOCUMENT_LOSSES,
                step=list(range(count)),
                doc_id=ids(read),
                loss=[loss + (2 if step in (3, 30) else -0.01) for step, loss in enumerate(losses)],
                tokens=[100] * count,
            ),
        )
        return {"steps": count}

    spec = {"stage": "run", "tokens": tokens, "orders": orders, "tokenizer": "none"}
    built = store.build("runs/demo", spec, write)
    store.point("runs/demo", built.manifest.fingerprint)


def _evaluation(store: Store) -> None:
    held_out = [number for number in range(COUNT) if rule(number) is None and number % 7 == 0]
    figures = {("model", "bits_per_byte"): 1.8, ("unigram", "bits_per_byte"): 4.5, ("gzip", "bits_per_byte"): 3.1, ("model", "loss"): 2.5}
    shared = {"error": 0.1, "documents": 3, "bytes": 1000, "windows": "disjoint", "few": True}
    scores = [
        {**shared, "name": name, "split": split, "breakdown": None, "part": None, "metric": metric, "value": value}
        for split in (None, "validation")
        for (name, metric), value in figures.items()
    ]
    documents = {
        "doc_id": ids(held_out),
        "split": ["validation"] * len(held_out),
        "source": ["web"] * len(held_out),
        "tokens": [10] * len(held_out),
        "bytes": [100] * len(held_out),
        "nats": [120.0 + number for number in held_out],
        "unigram_nats": [300.0] * len(held_out),
        "five_gram_nats": [200.0] * len(held_out),
        "gzip_bytes": [40] * len(held_out),
        "xz_bytes": [45] * len(held_out),
        "language": ["en"] * len(held_out),
        "quality": [0.5] * len(held_out),
        "train_share": [0.01] * len(held_out),
    }
    samples = [{"doc_id": schema.show(key(held_out[0])), "prompt": HOSTILE, "completion": f"and so on {HOSTILE}", "seed": 0}]

    def write(version: Version) -> dict[str, int]:
        version.table("scores.parquet", pa.Table.from_pylist(scores))
        version.table("documents.parquet", pa.table(documents))
        version.write("samples.json", json.dumps(samples, ensure_ascii=False).encode())
        return {"documents": len(held_out)}

    built = store.build("evaluations/demo", {"kind": "evaluation"}, write)
    store.point("evaluations/demo", built.manifest.fingerprint)


def _crawl_log(store: Store) -> None:
    outcomes = ["fetched"] * 6 + ["robots", "trap", "scope", HOSTILE]
    urls = [f"http://site.example/{place}?<script>" for place in range(len(outcomes))]
    log = table(
        schema.CRAWL_LOG,
        url=urls,
        host=["site.example"] * len(urls),
        depth=[1] * len(urls),
        outcome=outcomes,
        status=[200 if outcome == "fetched" else None for outcome in outcomes],
        seen_at=[NOON] * len(urls),
        bytes=[1000 if outcome == "fetched" else None for outcome in outcomes],
    )
    Version(store, "raw/it's/crawl_log").table("part-00000.parquet", log)


def fill(store: Store) -> Store:
    """Write every kind of file into a root."""
    _crawl_log(store)
    halves = [list(range(COUNT // 2)), list(range(COUNT // 2, COUNT))]
    _corpus(store, [_shard(store, f"it's {place}.warc.gz", numbers) for place, numbers in enumerate(halves)])
    tokens = _tokens(store)
    _run(store, tokens, [_order(store, tokens, epoch) for epoch in range(2)])
    _evaluation(store)
    return store


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A filled root in a folder whose name means something to SQL and to patterns; read it only."""
    return Path(fill(Store(tmp_path_factory.mktemp("dashboards") / "it's a [root]*")).root)


@pytest.fixture(scope="session")
def hostile() -> str:
    """Text that stands among what was crawled, crawl outcomes and completions."""
    return HOSTILE


@pytest.fixture
def store(root: Path) -> Store:
    return Store(root)


@pytest.fixture
def nothing(tmp_path: Path) -> Store:
    """A root with nothing in it yet."""
    return Store(tmp_path / "empty")
