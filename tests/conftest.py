"""Every test works offline, and tells nobody; the files that take longest are begun first, so that no worker waits for one at the end."""

import hashlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # the first call of a kernel compiles it
settings.load_profile("untimed")

# Seconds on one core, about; what is not here takes less than ten.
LONGEST = {
    "flows/test_server.py": 133,
    "flows/test_crash.py": 76,
    "flows/test_recipes.py": 50,
    "flows/test_demo.py": 40,
    "pipeline/crawl/test_resume.py": 37,
    "flows/test_compare.py": 35,
    "training/test_several_processes.py": 32,
    "flows/test_line.py": 30,
    "training/test_train.py": 28,
    "training/test_muon.py": 25,
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


def pytest_xdist_auto_num_workers() -> int:
    """More than there are cores: many tests wait, for servers, for other processes, for a crawl that is polite."""
    return math.ceil(1.5 * (os.cpu_count() or 1))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    items.sort(key=lambda item: -LONGEST.get(item.path.relative_to(here).as_posix(), 0))


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """A server that speaks S3."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of an empty bucket on it; the environment says how to get there."""
    import boto3

    variables = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for key, value in variables.items():
        monkeypatch.setenv(key, value)
    name = f"b{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:20]}"
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=name)
    return f"s3://{name}"
