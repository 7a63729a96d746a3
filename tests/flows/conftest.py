"""A small recipe over real text, for tests of the whole line."""

import inspect
import json
import pydoc
import socket
from pathlib import Path

import pytest

MODULES = """
    abc argparse array ast base64 bdb binascii bisect bz2 calendar cmd code codecs collections colorsys configparser contextlib copy csv
    dataclasses datetime decimal difflib dis doctest enum filecmp fileinput fnmatch fractions ftplib functools getopt gettext glob graphlib
    gzip hashlib heapq hmac imaplib inspect io ipaddress itertools json keyword linecache locale logging lzma mailbox math mimetypes netrc
    ntpath numbers operator optparse os pathlib pdb pickle pickletools pkgutil platform plistlib poplib posixpath pprint profile pstats
    queue quopri random re reprlib sched secrets selectors shelve shlex shutil signal smtplib socket sqlite3 ssl stat statistics string
    struct subprocess symtable tarfile tempfile textwrap threading timeit token tokenize trace traceback types typing unittest uuid
    warnings wave weakref zipfile zipimport
""".split()  # noqa: SIM905  # a list of two hundred quotation marks reads worse

RECIPE = """
name = "small"

[[source]]
name = "pydoc"
format = "jsonl"
files = ["pydoc.jsonl"]
id_key = "id"

[[step]]
use = "repair"

[[step]]
use = "gopher_quality"
keep.words = { min = 60 }
keep.mean_word_chars = false
keep.alphabetic_ratio = false
keep.stop_words = false

[dedup.near]
similarity = 0.8

[split]
validation = 0.2
test = 0.1

[tokenizer]
vocabulary = 512

[order]
sequence_tokens = 64

[model]
layers = 1
width = 32
heads = 2
kv_heads = 1
feed_forward = 64

[train]
sequence_tokens = 64
sequences_per_step = 4
steps = 6
warmup_steps = 2
checkpoint_every_steps = 2

[evaluate]
bootstrap_resamples = 20
sample_tokens = 8
"""


def page(module: str) -> str:
    """The first lines of a module's documentation, as plain text."""
    return pydoc.render_doc(module, renderer=pydoc.plaintext)[:4000]


@pytest.fixture(scope="session")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe file beside its input."""
    folder = tmp_path_factory.mktemp("recipe")
    rows = [{"id": module, "text": page(module), "url": f"https://docs.example/{module}"} for module in MODULES]
    rows.append({"id": "copy of abc", "text": page("abc"), "url": "https://docs.example/again"})
    rows.append({"id": "short", "text": "Too short to keep.", "url": "https://docs.example/short"})
    (folder / "pydoc.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = folder / "small.toml"
    path.write_text(inspect.cleandoc(RECIPE))
    return path


@pytest.fixture
def free_port() -> int:
    """A port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
