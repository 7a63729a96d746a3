"""The loss curve in characters: for a terminal, and for a page that can show no picture."""

from __future__ import annotations

import plotext


def loss_curve(steps: list[int], losses: list[float], width: int = 72, height: int = 14) -> str:
    """Losses by step, drawn without colours."""
    if not steps:
        return "no steps yet"
    figure = plotext.figure
    figure.clear()
    figure.theme("colorless")
    figure.plot_size(width, height)
    figure.draw(figure.signal(steps, losses, marker="braille"))
    figure.label("step")
    return plotext.uncolorize(str(figure.build()))
