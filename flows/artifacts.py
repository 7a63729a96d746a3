"""What a flow shows in Prefect's UI: the fates, the loss curve, where the report lies."""

from __future__ import annotations

import pyarrow as pa
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from dashboards import query
from flows.curve import loss_curve
from pipeline.store import Store

MAX_ROWS = 200


def fates(store: Store, corpus: str) -> None:
    """A table of what became of the records, by rule."""
    table = query.run(store, "select coalesce(rule, 'kept') as fate, count(*) as records from fates group by all order by records desc")
    create_table_artifact(
        key=_key("fates", corpus), table=_cells(table), description="What became of every record, by the first rule it broke"
    )


def loss(store: Store, run: str) -> None:
    """The loss curve, drawn in characters: it needs no image server."""
    steps = query.run(store, f"select step, loss from steps where run = '{run}' order by step")  # noqa: S608  # a recipe's name is [a-z0-9_-]
    curve = loss_curve(steps["step"].to_pylist(), steps["loss"].to_pylist())
    create_markdown_artifact(key=_key("loss", run), markdown=f"```\n{curve}\n```", description="Training loss, nats a token, by step")


def report(path: str, name: str) -> None:
    """A link to the report."""
    create_link_artifact(key=_key("report", name), link=path, link_text=f"Report on {name}")


def _key(what: str, name: str) -> str:
    """A key as Prefect takes it: a recipe's name may have an underscore, a key may not."""
    return f"{what}-{name.replace('_', '-')}"


def _cells(table: pa.Table) -> list[dict[str, object]]:
    return table.slice(0, MAX_ROWS).to_pylist()
