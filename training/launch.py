"""Several processes of training on this machine: `python -m training.launch PROCESSES JOB.json`.

As `torchrun` starts them, but for one thing: told to stop (SIGTERM), all save their checkpoint and this exits with 0, so that whoever
sent the signal sees no failure. Over several machines, `torchrun … -m training.train JOB.json` starts the same processes.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from types import FrameType

from training.parent import end_with_parent

POLL_S = 0.2
USAGE = "usage: python -m training.launch PROCESSES JOB.json"


def launch(processes: int, job: str) -> int:
    """Train with so many processes; the exit code of the first that failed, else 0."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(processes)}
    command = [sys.executable, "-m", "training.train", job]
    ranks = [subprocess.Popen(command, env={**os.environ, **own, "RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in range(processes)]

    def stop(_: int, __: FrameType | None) -> None:
        for rank in ranks:
            rank.terminate()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    end_with_parent()
    while any(rank.poll() is None for rank in ranks):
        if failed := next((rank.returncode for rank in ranks if rank.returncode), 0):
            for rank in ranks:  # they wait for one that is no more
                rank.kill()
                rank.wait()
            return failed
        time.sleep(POLL_S)
    return next((rank.returncode for rank in ranks if rank.returncode), 0)


def main() -> None:
    """Train as the command line says."""
    if len(sys.argv) != 3 or not sys.argv[1].isdecimal() or not int(sys.argv[1]):
        sys.exit(USAGE)
    sys.exit(launch(int(sys.argv[1]), sys.argv[2]))


if __name__ == "__main__":
    main()
