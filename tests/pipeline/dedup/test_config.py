from __future__ import annotations

import pytest
from pydantic import ValidationError

from pipeline.dedup.config import NearConfig


@pytest.mark.parametrize(
    "settings",
    [
        {"similarity": 0.0},
        {"similarity": 1.01},
        {"shingle_words": 0},
        {"permutations": 0},
        {"false_negative_weight": 1.0},
        {"bands": 14},
        {"rows": 8},
        {"bands": 22, "rows": 6},
        {"seed": -1},
        {"threshold": 0.8},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        NearConfig.model_validate(settings)


def test_bands_may_use_every_permutation() -> None:
    assert NearConfig(bands=16, rows=8).bands == 16
