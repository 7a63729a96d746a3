"""A real Prefect server: what its UI shows in a real browser, and what its schedules and events start."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

HERE = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
WAIT_S = 180


class Server:
    """A running server: how to talk to it, and the environment of those who do."""

    def __init__(self, home: Path, port: int) -> None:
        address = f"http://127.0.0.1:{port}"
        self.api = f"{address}/api"
        self.ui = address
        self.env = os.environ | {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "PREFECT_HOME": str(home),
            "PREFECT_SERVER_API_HOST": "127.0.0.1",
            "PREFECT_SERVER_API_PORT": str(port),
            "PREFECT_UI_API_URL": self.api,
            "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "60",
        }
        self.client_env = self.env | {"PREFECT_API_URL": self.api}

    def start(self, *command: str, **env: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([BIN / command[0], *command[1:]], env=self.client_env | env, cwd=HERE, start_new_session=True)

    def ask(self, kind: str, **body: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = httpx.post(f"{self.api}/{kind}/filter", json=body, timeout=60).raise_for_status().json()
        return found

    def runs(self, flow: str, state: str | None = None) -> list[dict[str, Any]]:
        wanted = {"flows": {"name": {"any_": [flow]}}}
        if state:
            wanted["flow_runs"] = {"state": {"type": {"any_": [state]}}}
        return self.ask("flow_runs", **wanted)


def eventually(what: Callable[[], Any], seconds: float = WAIT_S) -> Any:
    """The first true answer."""
    until = time.monotonic() + seconds
    while True:
        try:
            if found := what():
                return found
        except httpx.TransportError:
            pass
        if time.monotonic() > until:
            pytest.fail(f"not within {seconds:g} s")
        time.sleep(1)


def end(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = Server(tmp_path_factory.mktemp("prefect"), port)
    process = subprocess.Popen([BIN / "prefect", "server", "start"], env=made.env, start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: httpx.get(f"{made.api}/health", timeout=10).status_code == 200)
        yield made
    finally:
        end(process)


def page(url: str) -> str:
    """What a browser shows at a URL once its scripts have run."""
    browser = shutil.which("chromium")
    assert browser, "Debian's package chromium is needed for this test"
    with tempfile.TemporaryDirectory() as profile:
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        flags += ["--disable-sync", "--no-first-run", f"--user-data-dir={profile}", "--virtual-time-budget=20000", "--dump-dom"]
        return subprocess.run([browser, *flags, url], capture_output=True, text=True, timeout=120, check=True).stdout


def test_a_run_shows_its_tasks_and_artifacts_in_the_browser(server: Server, recipe: Path, tmp_path: Path) -> None:
    command = [BIN / "corpusmill", "run", recipe, "--root", tmp_path / "data", "--workers", "2"]
    subprocess.run(command, env=server.client_env, check=True, timeout=200)
    assert shown(server, "corpus-to-model", "", "Completed")
    assert shown(server, "curate", "?tab=TaskRuns", "shards-0")
    for flow, artifact in (("curate", "fates-small"), ("pretrain", "loss-small"), ("report", "report-small")):
        assert shown(server, flow, "?tab=Artifacts", artifact)


def shown(server: Server, flow: str, tab: str, wanted: str) -> bool:
    """Whether the browser shows, on a tab of the flow's one run, its name and what is wanted."""
    (run,) = server.runs(flow)
    assert run["name"] == f"{flow}-small"
    text = eventually(lambda: wanted in (text := page(f"{server.ui}/v2/runs/flow-run/{run['id']}{tab}")) and text, 60)
    return run["name"] in text


def started(server: Server) -> list[dict[str, Any]]:
    """The trainings that a deployment started and that are done."""
    return [run for run in server.runs("pretrain", "COMPLETED") if run["deployment_id"]]


def test_schedules_fire_and_a_published_token_set_is_trained_on_once(server: Server, recipe: Path, tmp_path: Path) -> None:
    subprocess.run(["bash", "infra/set-up.sh"], env=server.client_env, cwd=HERE, check=True, timeout=200)
    names = {deployment["name"] for deployment in server.ask("deployments")}
    assert {"nightly", "weekly", "on-publication", "on-training", "by-hand"} <= names
    for flow in ("crawl", "publish-corpus"):
        assert eventually(lambda flow=flow: server.runs(flow, "SCHEDULED"))

    workers = [server.start("prefect", "worker", "start", "--pool", pool) for pool in ("cpu", "gpu")]
    try:
        root = str(tmp_path / "data")
        publish = ["prefect", "deployment", "run", "publish-corpus/weekly", "-p", f"recipe={recipe}", "-p", f"root={root}"]
        end_of = subprocess.run([BIN / publish[0], *publish[1:]], env=server.client_env, check=True, timeout=100)
        assert end_of.returncode == 0
        (trained,) = eventually(lambda: started(server))
        assert trained["work_pool_name"] == "gpu"
        assert eventually(lambda: server.runs("evaluate-and-report", "COMPLETED"))
        assert list(Path(root, "evaluations").rglob("scores.parquet"))
        (model,) = Path(root, "runs").rglob("model.safetensors")
        before = model.stat().st_mtime_ns

        subprocess.run([BIN / publish[0], *publish[1:]], env=server.client_env, check=True, timeout=100)
        eventually(lambda: len(started(server)) == 2)
        assert [path.stat().st_mtime_ns for path in Path(root, "runs").rglob("model.safetensors")] == [before]
    finally:
        for worker in workers:
            end(worker)
