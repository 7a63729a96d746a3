"""What is seen of a long piece of work where nobody watches a bar."""

from __future__ import annotations

from contextlib import suppress

import pytest

from flows import progress
from flows.progress import Progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_line_now_and_then_and_one_at_the_end(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("pretraining", "steps", 1200) as told:
        for step in range(1, 1201):
            clock[0] += 0.0625  # no rounding in binary
            told.reach(step, note="loss 3.100")
    assert capsys.readouterr().err.splitlines() == [
        "pretraining: 480 of 1,200 steps, loss 3.100, 30 s",
        "pretraining: 960 of 1,200 steps, loss 3.100, 60 s",
        "pretraining: 1,200 of 1,200 steps, loss 3.100, 75 s",
    ]


def test_what_has_no_parts_is_told_at_its_end(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("tokenize"):
        clock[0] += 7
    assert capsys.readouterr().err == "tokenize: 7 s\n"


def test_what_is_short_or_fails_leaves_no_line(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("steps", "shards", 4) as told:
        clock[0] += 1
        told.advance(4)
    with suppress(OSError), Progress("tokenize"):
        clock[0] += 7
        raise OSError("full")
    assert capsys.readouterr().err == ""
