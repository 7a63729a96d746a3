"""The figures of a recipe's evaluation, as a table for a person."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from dashboards import query
from pipeline.store import Store
from training.evaluation import NAMES


def show(out: Console, store: Store, run: str) -> None:
    """Bits per byte over all held-out documents, best first, and how far the model is from the 5-gram."""
    rows = query.run(
        store,
        "select name, metric, value, error, documents, bytes, windows from evaluation_scores "  # noqa: S608  # a recipe's name is [a-z0-9_-]
        f"where run = '{run}' and split is null and breakdown is null order by value, name",
    ).to_pylist()
    bits = [row for row in rows if row["metric"] == "bits_per_byte"]
    if not bits:
        return
    windows = next(row["windows"] for row in rows if row["name"] == "model")
    out.print(f"\n[bold]Bits per byte on {bits[0]['documents']:,} held-out documents, {bits[0]['bytes']:,} bytes ({windows} windows)[/]")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2))
    for title in ("", "bits per byte", ""):
        table.add_column(title)
    for row in bits:
        table.add_row(NAMES[row["name"]], f"{row['value']:.3f}", f"± {row['error']:.3f}" if row["error"] else "")
    out.print(table)
    for row in rows:
        if row["metric"] == "above_five_gram":
            side = "below" if row["value"] < 0 else "above"
            error = f" ± {row['error']:.3f}" if row["error"] else ""
            out.print(f"  The model is {abs(row['value']):.3f}{error} bits per byte {side} the 5-gram.", highlight=False)
