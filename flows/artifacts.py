"""What a flow shows in Prefect's UI: the fates, the loss curve, where the report lies."""

from __future__ import annotations

from pathlib import Path

import httpx
import pyarrow as pa
from prefect import get_run_logger
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.exceptions import PrefectException

from dashboards import query
from flows.curve import loss_curve
from pipeline.store import Store
from training.records import rows

MAX_ROWS = 200
MAX_POINTS = 2000  # of a curve that is still being made


def fates(store: Store, corpus: str) -> None:
    """A table of what became of the records, by rule."""
    of_corpus = f"from fates where corpus = '{corpus}'"  # a recipe's name is [a-z0-9_-]
    table = query.run(store, f"select coalesce(rule, 'kept') as fate, count(*) as records {of_corpus} group by all order by records desc")
    create_table_artifact(
        key=_key("fates", corpus), table=_cells(table), description="What became of every record, by the first rule it broke"
    )


def loss(store: Store, run: str) -> None:
    """The loss curve of a finished run."""
    of_run = f"select step, loss from steps where run = '{run}' and loss is not null order by step"  # noqa: S608  # a recipe's name is [a-z0-9_-]
    steps = query.run(store, of_run)
    _loss(run, steps["step"].to_pylist(), steps["loss"].to_pylist())


def loss_so_far(run: str, stream: Path) -> None:
    """The loss curve of a run under way, from what it tells of each step; training goes on where nobody takes it."""
    points: list[tuple[int, float]] = []
    apart = 1
    for row in rows(stream):
        if row.get("loss") is not None and row["step"] % apart == 0:
            points.append((row["step"], row["loss"]))
            if len(points) > MAX_POINTS:
                points, apart = points[::2], 2 * apart
    try:
        _loss(run, [step for step, _ in points], [loss for _, loss in points])
    except (httpx.HTTPError, PrefectException) as error:
        get_run_logger().warning("the loss so far could not be shown: %s", error)


def _loss(run: str, steps: list[int], losses: list[float]) -> None:
    """Drawn in characters: it needs no image server."""
    markdown = f"```\n{loss_curve(steps, losses)}\n```"
    create_markdown_artifact(key=_key("loss", run), markdown=markdown, description="Training loss, nats a token, by step")


def report(path: str, name: str) -> None:
    """A link to the report."""
    create_link_artifact(key=_key("report", name), link=path, link_text=f"Report on {name}")


def _key(what: str, name: str) -> str:
    """A key as Prefect takes it: a recipe's name may have an underscore, a key may not."""
    return f"{what}-{name.replace('_', '-')}"


def _cells(table: pa.Table) -> list[dict[str, object]]:
    return table.slice(0, MAX_ROWS).to_pylist()
