"""What Prefect must be told before it is imported: where its own database lies, and that nothing leaves this machine."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path


def prepare(root: str) -> None:
    """Set Prefect's environment where the user has not: `root` holds the database of the server that Prefect embeds."""
    for key, value in {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        # Its log is for its UI: a person at a terminal gets our own account, and one line where something fails.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    }.items():
        os.environ.setdefault(key, value)
    if not server_configured() and not root.startswith("s3://"):
        home = Path(os.environ.setdefault("PREFECT_HOME", str(Path(root).absolute() / "prefect")))
        home.mkdir(parents=True, exist_ok=True)  # its server starts over and over where this is not there


def server_configured() -> bool:
    """Whether the user has a server: by PREFECT_API_URL, or in a profile of Prefect's own."""
    if any(key in os.environ for key in ("PREFECT_API_URL", "PREFECT_PROFILE")):
        return True
    home = Path(os.environ.get("PREFECT_HOME", Path.home() / ".prefect"))
    try:
        profiles = tomllib.loads((home / "profiles.toml").read_text("utf-8"))
    except FileNotFoundError:
        return False
    active = profiles.get("profiles", {}).get(profiles.get("active"), {})
    return "PREFECT_API_URL" in active
