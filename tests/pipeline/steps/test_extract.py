"""Pages become their main text, or a reason why not."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pyarrow as pa
import pytest
from nasty import GERMAN, NASTY_PAGES, PROSE, RUSSIAN, batch, page_batch

from pipeline.extraction import confined
from pipeline.step import StepResult
from pipeline.steps import extract
from pipeline.steps.extract import Config

CASES: dict[str, tuple[bytes, bytes]] = {}

_LIST = "<ul><li>bread and apples</li><li>a rope</li></ul>"


def run(*pages: bytes | None, content_type: str | None = "text/html", **settings: Any) -> StepResult:
    return extract.run(page_batch(list(pages), content_type), Config(**settings))


def text_of(page: bytes | str, content_type: str | None = "text/html", **settings: Any) -> str:
    """The text of one page."""
    result = run(page.encode() if isinstance(page, str) else page, content_type=content_type, **settings)
    assert result.text is not None
    assert not result.errors
    text: str = result.text[0].as_py()
    return text


def error_of(page: bytes | None, content_type: str | None = "text/html", **settings: Any) -> str:
    """The kind of one page's error."""
    return run(page, content_type=content_type, **settings).errors[0].kind


def test_the_main_text_is_kept_and_the_frame_is_not() -> None:
    page = f"""<html><head><title>  The
        harbour </title><style>p {{}}</style></head><body><nav><a href=/>Home</a> <a href=/x>Imprint</a></nav>
        <main><h1>The harbour</h1><p>{PROSE}</p><script>var x;</script></main><footer>Copyright</footer></body></html>"""
    result = run(page.encode())
    assert result.text is not None
    assert result.text.to_pylist() == [f"The harbour\n\n{PROSE}"]
    assert result.columns["title"].to_pylist() == ["The harbour"]
    assert result.columns["charset_used"].to_pylist() == ["utf-8 (utf-8)"]
    assert result.signals["chars"].to_pylist() == [len(PROSE) + 13]
    assert result.signals["text_share"].to_pylist() == [(len(PROSE) + 13) / len(page.encode())]


@pytest.mark.parametrize(
    "around", ["{}", "<main>{}</main>", "<div>{}</div>", "<div><article>{}</article></div>", "<div><div><div>{}</div></div></div>"]
)
def test_lists_near_the_body_are_kept(around: str) -> None:
    text = text_of(f"<body>{around.format(f'<p>{PROSE}</p>{_LIST}<p>{PROSE}</p>')}</body>")
    assert "• bread and apples\n" in text
    assert "• a rope\n" in text


@pytest.mark.parametrize(
    "menu",
    [
        "<ul><li><a href=/>Home page</a></li><li><a href=/i>Imprint</a> us</li></ul>",
        f"<nav>{_LIST}</nav>",
        f"<header>{_LIST}</header>",
        f"<div><footer>{_LIST}</footer></div>",
    ],
)
def test_menus_near_the_body_are_left_out(menu: str) -> None:
    assert text_of(f"<body>{menu}<h1>Harbour</h1><p>{PROSE}</p></body>") == f"Harbour\n\n{PROSE}"


def test_code_blocks_keep_their_lines_and_their_indentation() -> None:
    text = text_of(f"<body><p>{PROSE}</p><pre>if a:\n    b(&lt;)\n\n    c()\n</pre><p>{PROSE}</p></body>")
    assert "\n\nif a:\n    b(<)\n\n    c()\n\n" in text


@pytest.mark.parametrize("module", ["json", "argparse", "math", "collections"])
def test_pages_of_pydoc_come_out_with_their_code_and_without_layout(module: str) -> None:
    # In a process of its own: pydoc imports what it shows anew, and this one goes on with what it has.
    source = f"import pydoc; print(pydoc._url_handler('{module}.html', 'text/html'))"
    text = text_of(subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True).stdout)
    assert "\xa0" not in text
    assert not [line for line in text.split("\n") if line != line.rstrip()]
    assert "\n\n\n" not in text
    assert len(text) > 1500
    if module == "json":
        assert ">>> json.dumps(['foo', {'bar': ('baz', None, 1.0, 2)}])\n    '[\"foo\"" in text


def test_the_engine_trafilatura_keeps_the_main_text_alone() -> None:
    page = f"<body><nav><a href='/'>Home</a></nav><main><article><h1>Title</h1><p>{PROSE}</p><p>{PROSE}</p></article></main></body>"
    text = text_of(page, engine="trafilatura")
    assert PROSE.split()[0] in text
    assert "Home" not in text


def test_the_engine_best_leaves_out_what_stands_around_the_text() -> None:
    page = f"<body><div><div><div><p>{PROSE}</p><div class=promo><p>Another story</p></div><p>{PROSE}</p></div></div></div>"
    assert text_of(page, engine="best") == f"{PROSE}\n\n{PROSE}"
    assert "Another story" in text_of(page)


def test_what_a_page_says_of_itself_becomes_columns() -> None:
    page = f"""<html lang=en-GB><head><title>The harbour</title><link rel=canonical href="/harbour"><meta name=author content=Ada>
        <meta property="article:published_time" content="2026-01-31T10:00:00Z"></head><body><p>{PROSE}</p></body></html>"""
    given = page_batch([page.encode(), f"<p>{PROSE}</p>".encode(), b""])
    place = given.schema.get_field_index("url")
    result = extract.run(given.set_column(place, "url", pa.array(["https://example.org/a/b?c", None, None])), Config())
    assert {name: values.to_pylist() for name, values in result.columns.items() if name != "charset_used"} == {
        "title": ["The harbour", None, None],
        "published": ["2026-01-31T10:00:00+00:00", None, None],
        "author": ["Ada", None, None],
        "canonical_url": ["https://example.org/harbour", None, None],
        "declared_language": ["en-gb", None, None],
    }


def test_a_page_over_its_limits_is_a_row_with_an_error_among_others() -> None:
    slow = b"<div>" * 20_000 + b"text"
    result = run(b"<p>one", slow, b"<p>two", max_depth=10**9, page_timeout_s=0.2)
    assert result.text is not None
    assert result.text.to_pylist() == ["one", None, "two"]
    assert {row: error.kind for row, error in result.errors.items()} == {1: "timeout"}


def test_what_needs_no_parser_is_not_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(confined.Confined, "_some")
    assert text_of("plain", content_type="text/plain") == "plain"
    assert extract.run(batch(1, text=pa.array(["ready"])), Config()).errors == {}
    assert error_of(b"%PDF-") == "not_html"


def test_the_engine_raw_keeps_all_visible_text() -> None:
    page = f"<body><nav>Home</nav><p>{PROSE}</p><script>x</script></body>"
    assert text_of(page, engine="raw").split("\n\n") == ["Home", PROSE]


def test_comments_are_content_only_where_the_recipe_says_so() -> None:
    page = (
        f"<body><div><div><div><p>{PROSE}</p></div><div class=comments id=comments><p>First! Great read, this.</p></div></div></div></body>"
    )
    assert "First!" not in text_of(page)
    assert "First!" in text_of(page, comments=True)


def test_plain_text_is_decoded_and_no_more() -> None:
    assert text_of("a <b> & c\n\n\n\nd", content_type="text/plain; charset=x") == "a <b> & c\n\n\n\nd"


def test_a_text_that_came_along_is_passed_on() -> None:
    given = batch(3, text=pa.array(["ready <b>", " ", None]), content=pa.array([b"%PDF-", b"x", b"<p>read"], pa.binary()))
    result = extract.run(given, Config())
    assert result.text is not None
    assert result.text.to_pylist() == ["ready <b>", None, "read"]
    assert result.errors[1].kind == "empty"
    assert result.signals["text_share"].to_pylist() == [None, None, 4 / 7]


@pytest.mark.parametrize("content_type", [None, "", "TEXT/HTML; charset=utf-8", "application/xhtml+xml", "application/octet-stream"])
def test_pages_are_known_by_type_or_by_content(content_type: str | None) -> None:
    assert text_of(f"<p>{PROSE}</p>", content_type=content_type) == PROSE


@pytest.mark.parametrize("content_type", ["image/png", "application/pdf", "application/json", "text/css"])
def test_other_types_are_no_pages(content_type: str) -> None:
    assert error_of(PROSE.encode(), content_type=content_type) == "not_html"


@pytest.mark.parametrize("name", ["NULs", "every byte", "PDF", "PNG"])
def test_binary_content_is_no_page_whatever_it_is_called(name: str) -> None:
    assert error_of(NASTY_PAGES[name]) == "not_html"


@pytest.mark.parametrize("name", ["null", "empty", "white space", "no text"])
def test_a_page_without_text_is_empty(name: str) -> None:
    assert error_of(NASTY_PAGES[name]) == "empty"


def test_what_fits_no_charset_is_undecodable() -> None:
    assert error_of(b"<p>" + bytes(range(0x80, 0x100)) * 5) == "undecodable"


def test_a_page_over_the_limit_is_not_read() -> None:
    assert error_of(b"<p>" + b"x" * 98, max_bytes=100) == "too_big"
    assert text_of(b"<p>" + b"x" * 97, max_bytes=100) == "x" * 97


@pytest.mark.parametrize("name", ["nested", "nested and closed", "many options"])
def test_pages_that_would_hold_the_parser_fail_at_once(name: str) -> None:
    assert error_of(NASTY_PAGES[name]) == "failed"


def test_depth_and_options_have_their_limits() -> None:
    page = b"<div>" * 60 + b"<select>" + b"<option>x" * 40 + b"</select><p>text"
    assert error_of(page, max_depth=60) == "failed"
    assert error_of(page, max_options=39) == "failed"
    assert not run(page, max_depth=61, max_options=40).errors


@pytest.mark.parametrize("text", [GERMAN, RUSSIAN])
@pytest.mark.parametrize("charset", ["utf-8", "cp1252", "cp1251", "utf-16"])
def test_the_charset_of_the_header_counts(text: str, charset: str) -> None:
    try:
        content = f"<p>{text}</p>".encode(charset)
    except UnicodeEncodeError:
        pytest.skip(f"{charset} has not all of these letters")
    result = extract.run(batch(1, content=pa.array([content], pa.binary()), charset=pa.array([charset])), Config())
    assert result.text is not None
    assert result.text.to_pylist() == [text]
