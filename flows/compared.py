"""A comparison of two recipes, as a table for a person."""

from __future__ import annotations

import math

from rich.console import Console
from rich.table import Table

from flows.compare import Comparison, verdict


def show(out: Console, found: Comparison) -> None:
    """Bits per byte of each seed and their difference, over all common documents and by source."""
    out.print(f"[bold]Bits per byte on {found.documents:,} documents held out in both, {found.bytes:,} bytes[/]")
    labels = [f"{letter} {name}" for letter, name in zip("AB", found.names, strict=True)]
    table = Table(box=None, pad_edge=False)
    for title in ("", *labels, "B - A", "± documents", "± seeds"):
        table.add_column(title, justify="right" if title else "left")
    for seed, (a, b) in enumerate(zip(*found.bits, strict=True)):
        table.add_row(f"seed {seed}", f"{a:.4f}", f"{b:.4f}", f"{b - a:+.4f}", "", "")
    parts = {"all": found.overall, **found.by_source}
    for name, difference in parts.items():
        means = [f"{bits.mean():.4f}" for bits in found.bits] if name == "all" else ["", ""]
        table.add_row(name, *means, f"{difference.value:+.4f}", _error(difference.documents_error), _error(difference.seeds_error))
    table.add_row("tokens", *(f"{tokens:,}" for tokens in found.tokens), "", "", "")
    out.print(table)
    out.print(verdict(found.overall, labels), highlight=False, soft_wrap=True)


def _error(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"
