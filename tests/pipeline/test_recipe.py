"""A bad recipe gives one line that names the file, the key and what was expected; a good one says what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from pipeline import recipe as recipes
from pipeline.recipe import Recipe
from pipeline.step import Bound, Strict
from pipeline.typed import RecipeError

pytestmark = pytest.mark.usefixtures("toy_steps")
Load = Callable[..., Recipe]

SOURCE = '[[source]]\nname = "web"\nfiles = ["a.warc.gz"]\n'
STEP = '[[step]]\nuse = "toy_words"\n'
LANGUAGE = '[[step]]\nuse = "toy_code"\nas = "language"\n'
CODE = '[[step]]\nuse = "toy_code"\n'
ORDER = "[order]\nsequence_tokens = 8\n"
GOOD = SOURCE + STEP + ORDER

BAD = {
    "not TOML": ("name = ", ": expected TOML in UTF-8: "),
    "a key that comes twice": ("a = 1\na = 2\n", ": expected TOML in UTF-8: "),
    "unknown table": (GOOD + "[filters]\n", "filters: unknown key; expected one of dedup, "),
    "unknown top-level key": ('titel = "x"\n' + GOOD, "titel: unknown key; expected one of "),
    "name of the wrong type": ("name = 5\n" + GOOD, "name: input should be a valid string, not 5"),
    "name with a slash": ('name = "a/b"\n' + GOOD, "name: expected a name of lower-case letters, digits, - and _, not 'a/b'"),
    "sources that are no list": ("source = 5\n", "source: expected tables written [[source]]"),
    "steps that are no tables": ("step = [1]\n" + SOURCE, "step: expected tables written [[step]]"),
    "unknown key of a source": (SOURCE + 'colour = "red"\n', "source[0].colour: unknown key; expected one of name, format, files, "),
    "source without a name": ('[[source]]\nfiles = ["a"]\n', "source[0].name: missing; a value is expected"),
    "unknown format": (
        SOURCE + 'format = "zip"\n',
        "source[0].format: input should be 'warc', 'jsonl', 'parquet', 'arrow', 'csv' or 'pages', not 'zip'",
    ),
    "files of the wrong type": ('[[source]]\nname = "web"\nfiles = "a"\n', "source[0].files: expected a list, not 'a'"),
    "neither files nor a crawl": (
        '[[source]]\nname = "web"\n',
        "source[0]: expected one of `files`, `crawl`, `crawled` and `common_crawl`",
    ),
    "both files and a crawl": (
        SOURCE + '[source.crawl]\nseeds = ["http://h.example/"]\ncontact = "a@h.example"\n',
        "source[0]: expected one of `files`, `crawl`, `crawled` and `common_crawl`",
    ),
    "unknown key of a crawl": (
        '[[source]]\nname = "web"\n[source.crawl]\nseeds = ["http://h.example/"]\ncolour = 1\n',
        "source[0].crawl.colour: unknown key; expected one of seeds, contact, ",
    ),
    "crawl without contact": (
        '[[source]]\nname = "w"\n[source.crawl]\nseeds = ["http://h.example/"]\n',
        "source[0].crawl: contact: an e-mail",
    ),
    "source names repeated": (SOURCE + SOURCE, "source.name: 'web' is used twice; expected a name of its own for each source"),
    "unknown step": (SOURCE + '[[step]]\nuse = "toy_wrds"\n', "step[0].use: unknown step 'toy_wrds'; expected one of "),
    "step without use": (SOURCE + "[[step]]\ngate = true\n", "step[0].use: unknown step None; expected one of "),
    "use of the wrong type": (SOURCE + "[[step]]\nuse = [1]\n", "step[0].use: unknown step [1]; expected one of "),
    "step names repeated": (GOOD + STEP, "step: 'toy_words' is used twice; give each use a name of its own with `as`"),
    "name of a step with a dot": (SOURCE + STEP + 'as = "a.b"\n', "step[0].as: expected a name of lower-case letters, "),
    "a signal without keep": (SOURCE + STEP + "count.min = 1\n", "step[0] (toy_words).count: a signal; expected its bound as keep."),
    "name of a step that fates use already": (SOURCE + STEP + 'as = "near"\n', "step[0].as: 'near' is a name in every ledger of fates"),
    "two signals of one column": (
        SOURCE + '[[step]]\nuse = "toy_broken"\nhow = ""\nas = "one"\n' + '[[step]]\nuse = "toy_broken"\nhow = ""\nas = "one"\n',
        "step: 'one' is used twice",
    ),
    "unknown setting of a step": (SOURCE + STEP + "most = 1\n", "step[0] (toy_words).most: unknown key; expected one of least_chars"),
    "setting of the wrong type": (
        SOURCE + STEP + 'least_chars = "3"\n',
        "step[0] (toy_words).least_chars: input should be a valid integer, not '3'",
    ),
    "setting that is missing": (SOURCE + '[[step]]\nuse = "toy_broken"\n', "step[0] (toy_broken).how: missing; a value is expected"),
    "a File that is not there": (
        SOURCE + CODE + 'list = "nowhere.txt"\n',
        "step[0] (toy_code).list: expected a file that exists, not 'nowhere.txt'",
    ),
    "gate of the wrong type": (SOURCE + STEP + "gate = 1\n", "step[0] (toy_words).gate: expected true or false, not 1"),
    "keep that is no table": (SOURCE + STEP + "keep = 5\n", "step[0] (toy_words).keep: expected a table of bounds, not 5"),
    "unknown signal": (
        SOURCE + STEP + "keep.words = { min = 1 }\n",
        "step[0] (toy_words).keep.words: unknown signal; expected one of count, longest, share",
    ),
    "a bound that is a number": (
        SOURCE + STEP + "keep.count = 5\n",
        "step[0] (toy_words).keep.count: expected a table such as { min = 1 }, or false, not 5",
    ),
    "a bound that is true": (SOURCE + STEP + "keep.count = true\n", "step[0] (toy_words).keep.count: expected a table such as "),
    "unknown key of a bound": (
        SOURCE + STEP + "keep.count = { minimum = 5 }\n",
        "step[0] (toy_words).keep.count.minimum: unknown key; expected one of min, max, in, not_in, by_language, null",
    ),
    "a limit of the wrong type": (
        SOURCE + STEP + 'keep.count = { min = "5" }\n',
        "step[0] (toy_words).keep.count.min: input should be a valid number, not '5'",
    ),
    "a limit that is no number": (
        SOURCE + STEP + "keep.count = { min = nan }\n",
        "step[0] (toy_words).keep.count.min: expected a number, not nan",
    ),
    "min above max": (
        SOURCE + STEP + "keep.count = { min = 5, max = 4 }\n",
        "step[0] (toy_words).keep.count: expected min <= max, not min 5 above max 4",
    ),
    "max below the published min": (
        SOURCE + STEP + "keep.count = { max = 2 }\n",
        "step[0] (toy_words).keep.count: expected min <= max, not min 3 above max 2",
    ),
    "min above the general max for a language": (
        SOURCE + STEP + "keep.count = { max = 9, by_language = { ja = { min = 10 } } }\n",
        "step[0] (toy_words).keep.count: expected min <= max for ja, not min 10 above max 9",
    ),
    "unknown key for a language": (
        SOURCE + STEP + "keep.count = { by_language = { ja = { least = 10 } } }\n",
        "step[0] (toy_words).keep.count.by_language.ja.least: unknown key; expected one of min, max, ",
    ),
    "by_language with no language known": (
        SOURCE + STEP + "keep.count = { by_language = { ja = { min = 1 } } }\n",
        "step[0] (toy_words).keep.count.by_language: expected a step named 'language' before this one",
    ),
    "by_language for a language": (
        SOURCE + STEP + "keep.count = { by_language = { ja = { by_language = { en = { min = 1 } } } } }\n",
        "step[0] (toy_words).keep.count: expected limits for ja, not a further by_language",
    ),
    "min on a text": (
        SOURCE + CODE + "keep.code = { min = 1 }\n",
        "step[0] (toy_code).keep.code: expected `in` or `not_in`: the signal is a text",
    ),
    "in on a number": (
        SOURCE + STEP + 'keep.count = { in = ["1"] }\n',
        "step[0] (toy_words).keep.count: expected `min` or `max`: the signal is a number",
    ),
    "in that is no list": (
        SOURCE + CODE + 'keep.code = { in = "en" }\n',
        "step[0] (toy_code).keep.code.in: expected a list, not 'en'",
    ),
    "share out of range": (
        GOOD + "[limits]\nmax_error_share = 2.0\n",
        "limits.max_error_share: input should be less than or equal to 1, not 2.0",
    ),
    "unknown key of near": (
        GOOD + "[dedup]\nnear = { threshold = 0.7 }\n",
        "dedup.near.threshold: unknown key; expected one of similarity, shingle_words, ",
    ),
    "near of the wrong type": (GOOD + "[dedup]\nnear = 0.7\n", "dedup.near: expected a table, not 0.7"),
    "splits of more than all": (GOOD + "[split]\nvalidation = 0.5\ntest = 0.5\n", "split: expected validation + test < 1"),
    "unknown key of a later stage": (GOOD + "[later]\nshallow = 1\n", "later.shallow: unknown key; expected one of depth"),
    "a key of two lines": (GOOD + '"a\\nb" = 1\n', "order.a b: unknown key; expected one of "),
}


class Later(Strict):
    depth: int = 3


@pytest.mark.parametrize("case", BAD)
def test_bad_recipe_gives_one_line_with_file_key_and_expectation(case: str, tmp_path: Path) -> None:
    text, expected = BAD[case]
    path = tmp_path / "bad.toml"
    path.write_text(text if ORDER in text else text + ORDER)
    with pytest.raises(RecipeError) as raised:
        recipes.load(path, sections={"later": Later})
    line = str(raised.value)
    assert "\n" not in line
    assert line.removeprefix("bad.toml: ").removeprefix(str(path)).startswith(expected)
    assert line.startswith(("bad.toml: ", f"{path}: "))


def test_two_signals_may_not_have_one_column(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline import step

    monkeypatch.setattr(step.find("toy_code"), "SIGNALS", {"by": step.find("toy_code").SIGNALS["code"]})
    with pytest.raises(RecipeError, match="step: two signals would have the column 'gated_by'; give one step another name"):
        load(SOURCE + CODE + 'as = "gated"\n' + ORDER)


def test_recipe_that_cannot_be_read(tmp_path: Path) -> None:
    latin = tmp_path / "latin.toml"
    latin.write_bytes('name = "é"'.encode("latin-1"))
    file = tmp_path / "file.toml"
    file.write_text("")
    for path, expected in [
        (tmp_path / "none.toml", "no such file; expected a recipe in TOML"),
        (tmp_path, "expected a readable file (Is a directory)"),
        (file / "below.toml", "expected a readable file (Not a directory)"),
        (latin, "expected TOML in UTF-8: "),
    ]:
        with pytest.raises(RecipeError) as raised:
            recipes.load(path)
        assert str(raised.value).startswith(f"{path}: {expected}")
        assert "\n" not in str(raised.value)


BAD_OVERRIDES = {
    "no equals sign": ("toy_words.count.min", "--set: toy_words.count.min: expected key=value, such as "),
    "the name": ("name=other", "--set: name=other: expected a key within one of toy_words, toy_code, source.web, dedup, "),
    "a table": ("order=5", "--set: order=5: expected a key within one of toy_words, "),
    "a step": ("toy_words=5", "--set: toy_words=5: expected a key within one of toy_words, "),
    "an empty part": ("toy_words..min=1", "--set: toy_words..min=1: expected key=value, such as "),
    "a source that is not there": (
        "source.books.format=warc",
        "--set: source.books.format=warc: expected a key within one of toy_words, toy_code, source.web, dedup, ",
    ),
    "a source without a key": ("source.web=1", "--set: source.web=1: expected a key within one of toy_words, "),
    "through a value": ("toy_words.least_chars.most=1", "--set: toy_words.least_chars.most=1: 'least_chars' is no table"),
    "unknown step or table": ("toy_wrds.count.min=1", "--set: toy_wrds.count.min=1: expected a key within one of toy_words, "),
    "unknown setting": ("toy_words.most=1", "recipe.toml: step[0] (toy_words).most: unknown key; expected one of least_chars"),
    "unknown limit": ("toy_words.count.least=1", "recipe.toml: step[0] (toy_words).keep.count.least: unknown key; expected one of min, "),
    "a word for a number": (
        "toy_words.count.min=many",
        "recipe.toml: step[0] (toy_words).keep.count.min: input should be a valid number, not 'many'",
    ),
    "nothing for a number": (
        "toy_words.count.min=",
        "recipe.toml: step[0] (toy_words).keep.count.min: input should be a valid number, not ''",
    ),
    "min above max": ("toy_words.count.max=1", "recipe.toml: step[0] (toy_words).keep.count: expected min <= max, not min 3 above max 1"),
    "a text for a file": (
        "toy_code.list=nowhere.txt",
        "recipe.toml: step[1] (toy_code).list: expected a file that exists, not 'nowhere.txt'",
    ),
}


@pytest.mark.parametrize("case", BAD_OVERRIDES)
def test_bad_override_gives_one_line(case: str, load: Load) -> None:
    override, expected = BAD_OVERRIDES[case]
    with pytest.raises(RecipeError) as raised:
        load(SOURCE + STEP + "least_chars = 2\n" + CODE + ORDER, override)
    assert str(raised.value).startswith(expected)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["step = 5\n", "source = [1]\n", "[[step]]\nas = 'words'\n"])
def test_override_of_a_bad_recipe_gives_one_line(text: str, load: Load) -> None:
    with pytest.raises(RecipeError, match=r"^recipe.toml: "):
        load(text, "words.count.min=1", "source.web.format=warc" if "step" not in text else "words.x=1")


def test_a_recipe_says_what_it_says(load: Load, tmp_path: Path) -> None:
    found = load(
        'name = "books"\n' + SOURCE + STEP + "least_chars = 2\nkeep.longest = { max = 30, null = true }\ngate = true\n"
        '[[step]]\nuse = "toy_words"\nas = "again"\nkeep.count = false\n'
        "[dedup]\nnear = false\n[limits]\nmax_error_share = 0.5\n" + ORDER
    )
    assert (found.name, found.folder) == ("books", tmp_path)
    assert [source.name for source in found.sources] == ["web"]
    first, second = found.steps
    assert (first.name, first.use, first.gate, first.config.least_chars) == ("toy_words", "toy_words", True, 2)
    assert first.bounds == {"count": Bound(min=3), "longest": Bound(max=30, null=True)}
    assert (second.name, second.use, second.gate, second.bounds) == ("again", "toy_words", False, {})
    assert found.dedup.near is False
    assert found.limits.max_error_share == 0.5


def test_a_recipe_is_named_by_its_file_unless_it_says_otherwise(load: Load) -> None:
    assert load(GOOD, name="prose.toml").name == "prose"


def test_later_stages_type_their_own_tables(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(GOOD + "[later]\ndepth = 5\n")
    assert recipes.load(path, sections={"later": Later}).sections == {"later": Later(depth=5)}
    path.write_text(GOOD)
    assert recipes.load(path, sections={"later": Later}).sections == {"later": Later()}


@pytest.mark.parametrize(
    ("keep", "bound"),
    [
        ("{ min = 5 }", Bound(min=5)),
        ("{ max = 9 }", Bound(min=3, max=9)),
        ("{ min = -inf }", Bound()),
        ("{ min = inf, max = 7 }", Bound(max=7)),
        ("{ null = true }", Bound(min=3, null=True)),
        ("{ by_language = { ja = { min = 1 } } }", Bound(min=3, by_language={"ja": Bound(min=1)})),
    ],
)
def test_a_recipe_changes_single_limits_of_a_published_bound(load: Load, keep: str, bound: Bound) -> None:
    found = load(SOURCE + LANGUAGE + STEP + f"keep.count = {keep}\n" + ORDER).steps[1].bounds["count"]
    assert found.model_dump() == bound.model_dump()


@pytest.mark.parametrize(
    ("override", "read", "expected"),
    [
        ("toy_words.count.min=10", lambda r: r.steps[0].bounds["count"].min, 10.0),
        ("toy_words.count.min=inf", lambda r: r.steps[0].bounds["count"].min, None),
        ("toy_words.count.min=-inf", lambda r: r.steps[0].bounds["count"].min, None),
        ("toy_words.count=false", lambda r: "count" in r.steps[0].bounds, False),
        ("toy_words.longest.max=20", lambda r: r.steps[0].bounds.get("longest", Bound()).max, 20.0),
        ("toy_words.least_chars=4", lambda r: r.steps[0].config.least_chars, 4),
        ("toy_words.gate=true", lambda r: r.steps[0].gate, True),
        ("code.code.in=['en', \"de\"]", lambda r: r.steps[1].bounds.get("code", Bound()).in_, ("en", "de")),
        ("source.web.format=jsonl", lambda r: r.sources[0].format, "jsonl"),
        ('source.web.files=["b.warc"]', lambda r: r.sources[0].files, ("b.warc",)),
        ("limits.max_error_share=0.5", lambda r: r.limits.max_error_share, 0.5),
        ("dedup.near=false", lambda r: r.dedup.near, False),
        ("dedup.near.similarity=0.7", lambda r: r.dedup.near.similarity, 0.7),
        ("split.test=0", lambda r: r.split.test, 0.0),
    ],
)
def test_an_override_gives_what_it_says(load: Load, override: str, read: Callable[[Recipe], object], expected: object) -> None:
    text = SOURCE + STEP + CODE + 'as = "code"\n' + ORDER
    assert read(load(text)) != expected
    assert read(load(text, override)) == expected


def test_the_last_override_wins(load: Load) -> None:
    assert load(GOOD, "toy_words.count.min=10", "toy_words.count.min=11").steps[0].bounds["count"].min == 11


def test_a_file_is_found_beside_the_recipe_and_known_by_its_content(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path.parent)
    text = SOURCE + CODE + 'list = "list.txt"\n' + ORDER
    (tmp_path / "list.txt").write_text("one")
    config = load(text).steps[0].config
    assert Path(config.list).read_text() == "one"
    dumped = config.model_dump(mode="json")
    assert str(tmp_path) not in str(dumped)
    (tmp_path / "list.txt").write_text("two")
    assert load(text).steps[0].config.model_dump(mode="json") != dumped
    (tmp_path / "other.txt").write_text("one")
    assert load(text, "toy_code.list=other.txt").steps[0].config.model_dump(mode="json") == dumped


def test_the_docs_name_every_key_and_format_of_a_source() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text("utf-8")
    table = docs[docs.index("## Sources") : docs.index("## Steps")]
    formats = get_args(recipes.Source.model_fields["format"].annotation)
    assert [name for name in (*recipes.Source.model_fields, *formats) if f"`{name}`" not in table] == []
