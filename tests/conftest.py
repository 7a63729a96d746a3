"""Every test works offline, and tells nobody; the files that take longest are begun first, so that no worker waits for one at the end."""

import os
from pathlib import Path

import pytest

# Seconds on one core, about; what is not here takes less than ten.
LONGEST = {
    "flows/test_server.py": 133,
    "flows/test_crash.py": 76,
    "flows/test_recipes.py": 50,
    "flows/test_demo.py": 40,
    "pipeline/crawl/test_resume.py": 37,
    "flows/test_line.py": 30,
    "pipeline/dedup/test_truth.py": 20,
    "pipeline/test_step_laws.py": 15,
    "pipeline/ingest/test_scale.py": 10,
}

os.environ.update(
    HF_HUB_OFFLINE="1",
    DO_NOT_TRACK="1",
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="120",
)
os.environ.pop("PREFECT_API_URL", None)
os.environ.pop("CORPUSMILL_ROOT", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    items.sort(key=lambda item: -LONGEST.get(item.path.relative_to(here).as_posix(), 0))
