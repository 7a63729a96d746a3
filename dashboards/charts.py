"""Charts as SVG: no script, and colours that the page around them names, so that they follow its light or dark."""

from __future__ import annotations

from typing import Any

import altair as alt
import pyarrow as pa
import vl_convert
from markupsafe import Markup

KEPT, DROPPED, SECOND, LINE = "var(--kept)", "var(--dropped)", "var(--second)", "var(--line)"
WIDE, NARROW, HEIGHT = 470, 300, 150  # pixels, axes apart


def _svg(chart: Any) -> Markup:
    """The chart drawn. Vega escapes the texts in it."""
    styled = (
        chart.configure(background="transparent", font="system-ui, sans-serif")
        .configure_axis(
            labelColor="currentColor",
            titleColor="currentColor",
            titleFontWeight="normal",
            gridColor=LINE,
            domainColor=LINE,
            tickColor=LINE,
            labelOpacity=0.75,
            titleOpacity=0.75,
        )
        .configure_view(stroke=None)
    )
    return Markup(vl_convert.vegalite_to_svg(styled.to_dict()))  # noqa: S704 - drawn from numbers and escaped texts


def _count(title: str | None = None) -> alt.Axis:
    return alt.Axis(title=title, tickCount=4, tickMinStep=1, format="~s")


def histogram(bins: pa.Table, bounds: list[float]) -> Markup:
    """Bars from `low` to `high`, of `passed` records and on them those that `broke`; a line at each bound among the bars."""
    x = alt.X("low:Q", axis=alt.Axis(title=None, tickCount=6), scale=alt.Scale(zero=False, nice=False))
    base = alt.Chart(bins).transform_calculate(all="datum.passed + datum.broke").encode(x=x, x2="high:Q")
    all_bars = base.mark_bar(orient="vertical", color=DROPPED, binSpacing=1).encode(y=alt.Y("all:Q", axis=_count()))
    passed = base.mark_bar(orient="vertical", color=KEPT, binSpacing=1).encode(y="passed:Q")
    low, high = min(bins["low"].to_pylist()), max(bins["high"].to_pylist())
    there = pa.table({"bound": pa.array([bound for bound in bounds if low <= bound <= high], pa.float64())})
    rules = alt.Chart(there).mark_rule(color="currentColor", strokeDash=[4, 3]).encode(x="bound:Q")
    return _svg((all_bars + passed + rules).properties(width=NARROW, height=HEIGHT * 0.75))


def curve(rows: pa.Table, bound: float) -> Markup:
    """Documents kept by `limit`, and a line at the limit that holds."""
    x = alt.X("limit:Q", axis=alt.Axis(title=None, tickCount=6), scale=alt.Scale(zero=False, nice=False))
    kept = alt.Chart(rows).mark_line(color=KEPT, strokeWidth=2).encode(x=x, y=alt.Y("documents:Q", axis=_count()))
    held = alt.Chart(pa.table({"bound": [bound]})).mark_rule(color="currentColor", strokeDash=[4, 3]).encode(x="bound:Q")
    return _svg((kept + held).properties(width=NARROW, height=HEIGHT * 0.75))


def lengths(rows: pa.Table) -> Markup:
    """Kept and dropped records by length of text, as the query `lengths` counts them."""
    return _svg(
        alt.Chart(rows)
        .transform_fold(["kept", "dropped"], ["fate", "records"])
        .mark_bar()
        .encode(
            x=alt.X("chars:O", axis=alt.Axis(title="characters, from", labelAngle=0, format=".2~s", labelOverlap=True)),
            y=alt.Y("records:Q", axis=_count("records")),
            color=alt.Color("fate:N", scale=alt.Scale(domain=["kept", "dropped"], range=[KEPT, DROPPED]), legend=None),
            order=alt.Order("fate:N", sort="descending"),
        )
        .properties(width=WIDE, height=HEIGHT)
    )


def similarity(rows: pa.Table) -> Markup:
    """Duplicates by similarity, as the query `similarity` counts them, in bins of 0.05; exact copies have one of their own."""
    least = min(0.5, *rows["similarity"].to_pylist())
    ticks = [tick / 20 for tick in range(round(least * 20), 21)]  # the bar of exact copies stands behind the last
    return _svg(
        alt.Chart(rows)
        .transform_aggregate(documents="sum(documents)", groupby=["similarity"])
        .transform_calculate(end="datum.similarity + 0.05")
        .mark_bar(orient="vertical", color=DROPPED, binSpacing=2)
        .encode(
            x=alt.X("similarity:Q", axis=alt.Axis(title="similarity", format=".2f", values=ticks), scale=alt.Scale(domain=[least, 1.05])),
            x2="end:Q",
            y=alt.Y("documents:Q", axis=_count("documents")),
        )
        .properties(width=WIDE, height=HEIGHT)
    )


def loss(rows: pa.Table) -> Markup:
    """The loss of one run by step, faint, and its running mean `smooth`, in nats a token."""
    x = alt.X("step:Q", axis=alt.Axis(title="step", format="~s", tickMinStep=1), scale=alt.Scale(nice=False))
    y = alt.Y("loss:Q", axis=alt.Axis(title="nats a token", tickCount=5), scale=alt.Scale(zero=False))
    base = alt.Chart(rows).encode(x=x)
    raw = base.mark_line(color=SECOND, strokeWidth=1, opacity=0.5).encode(y=y)
    mean = base.mark_line(color=KEPT, strokeWidth=2).encode(y="smooth:Q")
    return _svg((raw + mean).properties(width=WIDE, height=HEIGHT * 1.3))
