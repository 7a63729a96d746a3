from __future__ import annotations

import tomllib
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.crawl.config import CrawlConfig

TOML = """
seeds = ["http://127.0.0.1:8123/"]
allow_hosts = ["127.0.0.1:8123"]
exclude = ["/private/*"]
delay_s = 0
max_pages = 5
"""


def config(**settings: Any) -> CrawlConfig:
    return CrawlConfig.model_validate({**tomllib.loads(TOML), **settings})


def test_a_toml_table_is_a_configuration() -> None:
    assert config().seeds == ("http://127.0.0.1:8123/",)
    assert config().exclude == ("/private/*",)
    assert config().delay_s == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seeds": []}, "at least 1"),
        ({"seeds": ["ftp://example.org/"]}, "http or https URLs, not 'ftp://example.org/'"),
        ({"seeds": ["http://example.org/"]}, "contact"),
        ({"allow_hosts": ["127.0.0.1:1"]}, "contact"),
        ({"contact": "me\nyou"}, "e-mail address"),
        ({"max_pages": 0}, "greater than 0"),
        ({"max_pages": "5"}, "valid integer"),
        ({"seed": ["x"]}, "Extra inputs"),
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        config(**settings)


def test_the_user_agent_names_project_and_contact() -> None:
    assert config(seeds=["http://example.org/"], contact="https://example.org/bot").user_agent.startswith("corpusmill/")
    assert config(contact="ann@example.org").user_agent.endswith(" (+ann@example.org)")


def test_allowed_hosts_are_named_with_or_without_a_port() -> None:
    def allows(*hosts: str, url: str) -> bool:
        made = config(allow_hosts=hosts, contact="a@h.example")
        parsed = made.normalise(url)
        assert parsed is not None
        return made.allows_address(parsed)

    assert allows("localhost", url="http://localhost:99/")
    assert allows("127.0.0.1:80", url="http://127.0.0.1:80/") is False  # a scheme's own port is no part of a host
    assert allows("127.0.0.1", url="http://0x7f.1/")
    assert allows("127.0.0.1:8123", url="http://127.0.0.1:8123/")
    assert not allows("127.0.0.1:8123", url="http://127.0.0.1:8124/")


def test_the_fingerprint_knows_what_is_crawled_and_not_how_fast() -> None:
    assert config().fingerprint == config(delay_s=3.0, hosts_at_once=2).fingerprint
    assert config().fingerprint != config(max_pages=6).fingerprint
    assert config().fingerprint != config(exclude=[]).fingerprint
