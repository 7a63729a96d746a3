"""What a mixture will take of each component, as a table before anything is written, and in lines afterwards."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from dashboards.table import visible
from flows.job import Job
from flows.whatif import BYTES_A_TOKEN
from pipeline.components import corpus_documents, mixed, train_documents
from pipeline.mixture import Component, effective_tokens
from pipeline.store import Built, Manifest, Store
from training.settings import TrainConfig


@dataclass(frozen=True)
class Mixing:
    """What a pass takes, and how many passes there are. `estimated` where no token set says how long the documents are."""

    parts: tuple[Component, ...]
    passes: int
    estimated: bool


def of(job: Job, corpus: str) -> Mixing:
    """The mixture of a recipe over its token set where there is one of this corpus version, else over the corpus.

    `ValueError` where the recipe names components that are not there.
    """
    store, name = job.store, job.recipe.name
    version = store.current(f"tokens/{name}")
    manifest = store.manifest(f"tokens/{name}/{version}") if version else None
    estimated = manifest is None or manifest.spec["corpus"] != corpus.rpartition("/")[2]
    if manifest is None or estimated:
        documents = corpus_documents(store, corpus)
        documents = documents._replace(lengths=(documents.lengths / BYTES_A_TOKEN).astype(int) + 1)
    else:
        documents = train_documents(store, f"tokens/{name}/{version}", manifest)
    _, parts = mixed(store, documents, corpus, job.recipe.mixture)
    return Mixing(tuple(parts), job.recipe.section(TrainConfig).epochs, estimated)


def show(out: Console, mixing: Mixing) -> None:
    """A line for each component."""
    tokens = "tokens, estimated" if mixing.estimated else "tokens"
    passes = f"{mixing.passes} passes of" if mixing.passes > 1 else "a pass of"
    table = Table(box=None, pad_edge=False, title=f"mixture, {passes} training", title_justify="left")
    table.add_column("component")
    for column in ("documents", tokens, "share", "taken", "share taken", "epochs", "effective in all"):
        table.add_column(column, justify="right")
    table.add_column("")
    total = sum(part.target for part in mixing.parts)
    for part in mixing.parts:
        worth = effective_tokens(part.tokens, part.target * mixing.passes)
        taken = (f"{part.target:,}", f"{part.target / max(total, 1):.2%}", f"{part.epochs:.3g}", f"{worth:,}")
        table.add_row(visible(part.name), f"{part.documents:,}", f"{part.tokens:,}", f"{part.share:.2%}", *taken, _note(part))
    out.print(table)


def _note(part: Component) -> str:
    if part.capped:
        return f"too small for its share, read {part.epochs:.3g} times: its cap"
    if part.epochs > 1:
        return f"repeated {part.epochs:.3g} times"
    return "" if part.target else "left out"


def told(store: Store, ordered: Built) -> tuple[str, ...]:
    """What a person should be told of a packing plan: components that were capped."""
    rows = store.table(f"{ordered.path}/mixture.parquet").to_pylist()
    total = sum(row["target"] for row in rows)
    return tuple(
        f"mixture: {row['component']} is too small for {row['share']:.1%} of the tokens: read {row['target'] / row['tokens']:.3g} times, "
        f"its cap, it gives {row['target'] / total:.1%}"
        for row in rows
        if row["capped"]
    )


def packed(ordered: Manifest) -> str:
    """Padding and cut documents of a packing plan, beside concatenate-and-split."""
    counts, config = ordered.counts, ordered.spec["config"]
    padding = counts["padding_tokens"] / (counts["sequences"] * config["sequence_tokens"])
    cut, concatenated = (counts[name] / counts["placed"] for name in ("documents_cut", "documents_cut_concatenated"))
    return f"{padding:.2%} padding, {cut:.1%} of documents cut (concatenate-and-split: {concatenated:.1%})"
