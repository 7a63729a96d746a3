"""What another bound would keep, from what is measured already: no page is read again, and no text.

It counts up to deduplication. Where a looser gate would let records on to steps that never saw them, their fate is unknown, and
they are counted as that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import decide, schema, shard_tables
from pipeline.bounds import LANGUAGE_COLUMN, Mask, broken
from pipeline.recipe import StepUse
from pipeline.step import Bound, StepConfig
from pipeline.store import Manifest, Store

KINDS = ("min", "max")
OUTLOOK = pa.schema(
    [
        pa.field("limit", pa.float64(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),  # empty where none was told
        pa.field("documents", pa.int64(), nullable=False),  # within all bounds
        pa.field("bytes", pa.int64(), nullable=False),  # of their texts, in UTF-8
        pa.field("unknown", pa.int64(), nullable=False),  # would go on to steps that have not run on them
    ]
)


@dataclass(frozen=True)
class Rule:
    """A limit on one signal of one step."""

    step: str
    signal: str
    kind: str

    @property
    def column(self) -> str:
        """The signal's column."""
        return f"{self.step}_{self.signal}"


def rule(name: str, steps: Sequence[StepUse]) -> Rule:
    """The rule of that name: `step.signal.min` or `step.signal.max`, whether the recipe bounds that signal or only measures it.

    Raises LookupError.
    """
    parts = name.split(".")
    known = {use.name: use for use in steps}
    if len(parts) != 3 or parts[2] not in KINDS:
        raise LookupError(f"expected a rule such as gopher_quality.words.min, not {name!r}")
    if parts[0] not in known:
        raise LookupError(f"{name}: no step {parts[0]!r} in this corpus; there are {', '.join(known)}")
    numeric = [signal for signal, (kind, _) in known[parts[0]].step.SIGNALS.items() if not pa.types.is_string(kind)]
    if parts[1] not in numeric:
        raise LookupError(f"{name}: no number {parts[1]!r} that {parts[0]} measures; there are {', '.join(numeric)}")
    return Rule(*parts)


def steps_of(store: Store, corpus: Manifest) -> tuple[StepUse, ...]:
    """The steps of a corpus, in order, with the bounds that decided it."""
    first = store.manifest(f"shards/{corpus.spec['shards'][0]}") if corpus.spec["shards"] else None
    if first is None:
        return ()
    bounds = {name: {signal: Bound.model_validate(bound, strict=False) for signal, bound in given} for name, given in corpus.spec["bounds"]}
    steps = first.spec["steps"]
    return tuple(StepUse(step["name"], step["use"], StepConfig(), bounds.get(step["name"], {}), step["gate"] is not None) for step in steps)


def sweep(store: Store, place: str, asked: Rule, limits: Sequence[float]) -> pa.Table:
    """OUTLOOK: for each limit, source and language, what a corpus would keep before deduplication."""
    corpus = store.manifest(place)
    if corpus is None:
        raise FileNotFoundError(f"{store.uri(place)}: no finished corpus there")
    steps = steps_of(store, corpus)
    with ThreadPoolExecutor() as threads:
        parts = list(threads.map(lambda shard: _outlook(store, shard, steps, asked, limits), corpus.spec["shards"]))
    counted = pa.concat_tables([schema.empty(OUTLOOK), *parts]).group_by(["limit", "source", "language"], use_threads=False)
    sums = counted.aggregate([("documents", "sum"), ("bytes", "sum"), ("unknown", "sum")])
    return sums.rename_columns(OUTLOOK.names).cast(OUTLOOK).sort_by([(name, "ascending") for name in OUTLOOK.names[:3]])


def _outlook(store: Store, shard: str, steps: tuple[StepUse, ...], asked: Rule, limits: Sequence[float]) -> pa.Table:
    sources = shard_tables.table(store, shard, "records", ["source"])["source"].combine_chunks()
    signals = shard_tables.table(store, shard, "signals", _columns(steps, asked)).combine_chunks()
    if not signals.num_rows:
        return schema.empty(OUTLOOK)
    reach = _reach(signals, steps, asked)
    languages = signals[LANGUAGE_COLUMN].combine_chunks() if LANGUAGE_COLUMN in signals.column_names else None
    groups, codes = _groups(sources, languages)
    sizes = pc.fill_null(signals["text_bytes"], 0).to_numpy()
    known = next((use.bounds[asked.signal] for use in steps if use.name == asked.step and asked.signal in use.bounds), Bound())
    values = signals[asked.column].combine_chunks()
    rows = []
    for limit in limits:
        # The signal's other limit stays, so all of the bound is asked again.
        bound = known.model_copy(update={asked.kind: limit})
        out = np.logical_or.reduce([mask for mask, _ in broken(bound, values, languages).values()])
        kept, unknown = reach.known & ~out, reach.gated & ~out
        count = [np.bincount(codes[mask], minlength=len(groups)) for mask in (kept, unknown)]
        size = np.bincount(codes[kept], weights=sizes[kept], minlength=len(groups)).astype(np.int64)
        rows += [(limit, *group, int(count[0][i]), int(size[i]), int(count[1][i])) for i, group in enumerate(groups)]
    return pa.table([pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), OUTLOOK, strict=True)], schema=OUTLOOK)


def _columns(steps: Iterable[StepUse], asked: Rule) -> list[str]:
    bounded = [f"{use.name}_{signal}" for use in steps for signal in use.bounds]
    language = [LANGUAGE_COLUMN] if any(use.name == "language" for use in steps) else []
    return list(dict.fromkeys(["gated_by", "error_step", "text_bytes", *language, *bounded, asked.column]))


@dataclass(frozen=True)
class _Reach:
    """Rows that nothing but the asked bound decides: `known` went through all steps, `gated` were ended by that bound's own gate."""

    known: Mask
    gated: Mask


def _reach(signals: pa.Table, steps: tuple[StepUse, ...], asked: Rule) -> _Reach:
    failed = signals["error_step"].is_valid().to_numpy(zero_copy_only=False)
    gated_by = signals["gated_by"].combine_chunks()
    others = np.zeros(signals.num_rows, bool)
    for out in _others(signals, steps, asked):
        others |= out
    own = pc.fill_null(pc.equal(gated_by, asked.step), False).to_numpy(zero_copy_only=False)
    through = gated_by.is_null().to_numpy(zero_copy_only=False)
    return _Reach(through & ~failed & ~others, own & ~failed & ~others)


def _others(signals: pa.Table, steps: tuple[StepUse, ...], asked: Rule) -> Iterator[Mask]:
    """Rows that break each other bound."""
    for use in steps:
        bounds = {signal: bound for signal, bound in use.bounds.items() if (use.name, signal) != (asked.step, asked.signal)}
        for each in decide.rules(replace(use, bounds=bounds), signals, decide.evaluated(use, signals, steps)):
            yield each.out


def _groups(sources: pa.Array, languages: pa.Array | None) -> tuple[list[tuple[str, str]], np.ndarray]:
    """The pairs of source and language that occur, and for each row the number of its own."""
    told = pc.fill_null(languages, "") if languages is not None else pa.repeat(pa.scalar(""), len(sources))
    first, second = sources.dictionary_encode(), told.dictionary_encode()
    codes = first.indices.to_numpy().astype(np.int64) * len(second.dictionary) + second.indices.to_numpy()
    seen, dense = np.unique(codes, return_inverse=True)
    names = [
        (first.dictionary[int(code) // len(second.dictionary)].as_py(), second.dictionary[int(code) % len(second.dictionary)].as_py())
        for code in seen
    ]
    return names, dense
