"""The command line. An error is one line with the file, the key and what was expected; a traceback only with --debug."""

from __future__ import annotations

import os
import signal
import sys
from importlib import metadata
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from typer.core import TyperGroup
from typer.exceptions import TyperException

from dashboards.table import visible
from flows.process import ProcessFailedError
from flows.usage import UsageError
from pipeline.typed import RecipeError

if TYPE_CHECKING:
    from flows.stages import Stage

USAGE_ERROR, FAILURE, INTERRUPTED = 2, 1, 130

ENDING_S = 10.0  # what an interrupted process may take to end, such as to stop a server that it started
PIPE_COLUMNS = 140  # where standard output is no terminal that would say how wide it is

out = Console(emoji=False) if sys.stdout.isatty() else Console(width=PIPE_COLUMNS, emoji=False)  # `:b:` in a path is no picture
err = Console(stderr=True, emoji=False)


class _Commands(TyperGroup):
    """Commands whose expected errors are one line."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, TyperException):
            raise
        except KeyboardInterrupt:
            _interrupted()
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if ctx.params["debug"]:
                raise
            expected = isinstance(error, (ProcessFailedError, OSError, ValueError, LookupError))
            said = visible(" ".join(str(error).split()))
            line = said if expected else f"unexpected {type(error).__name__}: {said} (`corpusmill --debug …` shows where)"
            err.print(f"corpusmill: {line}", style="red", markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(USAGE_ERROR if isinstance(error, RecipeError | UsageError) else FAILURE) from None


def _interrupted() -> None:
    """Say so, and see to it that the process ends: what is on disk is whole at any time."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends already; another would break into what ends it
    last = Timer(ENDING_S, os._exit, [INTERRUPTED])
    last.daemon = True
    last.start()
    said = "corpusmill: interrupted; what was finished is kept, and the same command goes on from there"
    err.print(said, style="red", soft_wrap=True)


app = typer.Typer(
    cls=_Commands,
    name="corpusmill",
    help="From crawled pages to a trained, evaluated language model, with every document's fate and every step's loss open to SQL.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
RecipeArgument = Annotated[str, typer.Argument(help="A recipe file, or the name of a shipped recipe.", metavar="RECIPE")]
Root = Annotated[str, typer.Option("--root", envvar="CORPUSMILL_ROOT", help="A folder or s3://bucket/prefix for all results.")]
Asked = Annotated[
    str | None,
    typer.Option("--root", envvar="CORPUSMILL_ROOT", help="Where the results lie: data, or data/demo where only the demo has run."),
]
Set = Annotated[list[str] | None, typer.Option("--set", help="Change the recipe: key=value, such as gopher_quality.words.min=100.")]
Workers = Annotated[int | None, typer.Option("--workers", help="Processes that may work at once; one a core unless told.")]
Plain = Annotated[bool, typer.Option("--plain", help="Plain function calls, without Prefect.")]
TEXTS = "A file (JSON Lines, Parquet, Arrow, CSV), a pattern, or corpus:NAME; may be given several times. Texts"
Out = Annotated[Path, typer.Option("--out", help="The file to write, such as quality.safetensors.")]
TextKey = Annotated[str, typer.Option("--text-key", help="The field, or column, that is the text.")]
SampleMB = Annotated[int, typer.Option("--sample-mb", min=1, help="Megabytes of text of each kind to learn from, drawn by hash.")]


def _version(asked: bool) -> None:
    if asked:
        out.print(f"corpusmill {metadata.version('corpusmill')}", highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    """Read by `_Commands`."""


@app.command()
def run(recipe: RecipeArgument, root: Root = "data", set_: Set = None, workers: Workers = None, plain: Plain = False) -> None:
    """From crawl to report: the whole line. Work that is done already is not done again."""
    from flows import account, line

    done = line.run(recipe, root, tuple(set_ or ()), workers, plain)
    account.show(out, done)


@app.command()
def crawl(
    what: Annotated[list[str], typer.Argument(help="A recipe, or URLs to begin at.", metavar="RECIPE|URL…")],
    into: Annotated[str | None, typer.Option("--into", help="Of URLs: the name of what is crawled.", metavar="NAME")] = None,
    contact: Annotated[str | None, typer.Option("--contact", help="An address or page where site owners reach you.")] = None,
    max_pages: Annotated[int | None, typer.Option("--max-pages", help="Of URLs: pages at most.")] = None,
    depth: Annotated[int | None, typer.Option("--depth", help="Of URLs: links from where it begins, at most.")] = None,
    delay: Annotated[float | None, typer.Option("--delay", help="Of URLs: seconds between two requests to one host.")] = None,
    host: Annotated[list[str] | None, typer.Option("--host", help="Of URLs: a host to stay on, or a pattern of hosts.")] = None,
    allow_host: Annotated[list[str] | None, typer.Option("--allow-host", help="Of URLs: a host on a private network.")] = None,
    include: Annotated[list[str] | None, typer.Option("--include", help="Of URLs: a pattern, such as /docs/*.")] = None,
    exclude: Annotated[list[str] | None, typer.Option("--exclude", help="Of URLs: a pattern to leave out.")] = None,
    edition: Annotated[str | None, typer.Option("--edition", help="A later crawl of the same, such as a date: what has changed.")] = None,
    root: Root = "data",
    set_: Set = None,
) -> None:
    """Crawl URLs, or a recipe's sources, into WARC files."""
    from flows import account, crawling, job, line

    settings: dict[str, Any] = {"contact": contact, "max_pages": max_pages, "max_depth": depth, "delay_s": delay}
    settings |= {"hosts": host, "allow_hosts": allow_host, "include": include, "exclude": exclude}
    follow = None
    if crawling.are_urls(what, into, settings, set_ or ()):
        done = [crawling.crawl_urls(root, into or "", what, settings, edition)]
    else:
        (follow,) = what
        done = line.under_prefect("crawl", job.make(follow, root, set_ or ()), edition=edition)
    account.show(out, done)
    crawling.show(out, root, done, follow)


@app.command()
def curate(recipe: RecipeArgument, root: Root = "data", set_: Set = None, workers: Workers = None, plain: Plain = False) -> None:
    """Make a recipe's corpus: extract, measure, decide, deduplicate."""
    _stage("curate", recipe, root, set_, workers, plain=plain)


@app.command()
def tokenize(recipe: RecipeArgument, root: Root = "data", set_: Set = None, workers: Workers = None, plain: Plain = False) -> None:
    """Train the tokenizer on a recipe's corpus, encode it, and say how well it fits."""
    from flows import fit

    fit.show(out, root, _stage("tokenize", recipe, root, set_, workers, plain=plain))


@app.command()
def pretrain(recipe: RecipeArgument, root: Root = "data", set_: Set = None, plain: Plain = False) -> None:
    """Train a recipe's model on its tokens."""
    _stage("pretrain", recipe, root, set_, plain=plain)


@app.command()
def auto(
    flops: Annotated[float | None, typer.Option("--flops", help="Operations to spend, such as 1e17.")] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", help="Or time to spend …")] = None,
    flops_per_s: Annotated[float | None, typer.Option("--flops-per-s", help="… at this speed: operations of training a second.")] = None,
    vocabulary: Annotated[int, typer.Option("--vocabulary", help="Of the tokenizer.")] = 32768,
    sequence_tokens: Annotated[int, typer.Option("--sequence-tokens")] = 1024,
) -> None:
    """Choose depth, tokens, batch and rates by published rules: the sections of a recipe."""
    from training import auto as rules

    out.print(
        rules.toml(rules.choose(rules.budget(flops, minutes, flops_per_s), vocabulary, sequence_tokens)), markup=False, highlight=False
    )


@app.command()
def evaluate(
    recipe: RecipeArgument,
    root: Root = "data",
    set_: Set = None,
    lm_eval: Annotated[bool, typer.Option("--lm-eval", help="By lm-evaluation-harness too; `make lm-eval` installs it.")] = False,
    plain: Plain = False,
) -> None:
    """Measure a recipe's model on held-out documents."""
    from flows import harness, job, scores

    made = job.make(recipe, root, set_ or ())
    if lm_eval:
        harness.expect()
    _stage("evaluate", recipe, root, set_, plain=plain)
    scores.show(out, made.store, made.recipe.name)
    if lm_eval:
        harness.show(out, made.store, harness.evaluate(made))


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="A recipe: a file, or the name of a shipped one.", metavar="A")],
    b: Annotated[str, typer.Argument(help="Another that says the same of tokenizer, order, model and train.", metavar="B")],
    seeds: Annotated[int, typer.Option(min=1, help="Models of each, each begun and fed in an order of its own.")] = 3,
    root: Root = "data",
    set_: Set = None,
    workers: Workers = None,
) -> None:
    """Whether what B does with its sources makes a better model than what A does: the same model, text and number of tokens."""
    from functools import partial

    from flows import compare, compared, job, line

    one, other = (job.make(recipe, root, set_ or (), workers) for recipe in (a, b))
    compared.show(out, compare.of(one, other, seeds, partial(line.in_processes, one.workers)))


@app.command()
def report(recipe: RecipeArgument, root: Root = "data", set_: Set = None, plain: Plain = False) -> None:
    """Write the HTML report."""
    _stage("report", recipe, root, set_, plain=plain)


def _root(given: str | None) -> str:
    """Where a question is asked: as told, or in `data`, or in `data/demo` where nothing but the demo has run."""
    if given is not None:
        return given
    only_demo = Path("data/demo/corpora").is_dir() and not Path("data/corpora").is_dir()
    return "data/demo" if only_demo else "data"


def _stage(name: str, recipe: str, root: str, set_: list[str] | None, workers: int | None = None, *, plain: bool) -> list[Stage]:
    from flows import account, line

    done = line.stage(name, recipe, root, tuple(set_ or ()), workers, plain)
    account.show(out, done)
    return done


@app.command()
def plan(recipe: RecipeArgument, root: Asked = None, set_: Set = None) -> None:
    """What a run would do: steps, bounds, what is in place and what would be made."""
    from flows import job, plan

    plan.show(out, plan.of(job.make(recipe, _root(root), set_ or ())))


@app.command()
def check(recipe: RecipeArgument = "demo", root: Asked = None, set_: Set = None) -> None:
    """Prove that nothing was lost: records in = kept + dropped, counted by a second path."""
    from flows import account, job
    from pipeline import check as checks
    from pipeline.ingest import inputs

    made = job.make(recipe, _root(root), set_ or ())
    place = job.current(made.store, "corpora", made.recipe.name)
    given = [(source, each) for source in made.recipe.sources for each in inputs.find(made.store, source, made.recipe.folder)]
    findings = list(checks.corpus(made.store, place, given))
    account.findings(out, findings)
    if not all(finding.holds for finding in findings):
        raise typer.Exit(FAILURE)


@app.command()
def explain(
    which: Annotated[str, typer.Argument(metavar="DOC_ID|ID|URL")],
    recipe: Annotated[str, typer.Option("--recipe", help="Through whose steps the text is followed.")] = "demo",
    root: Asked = None,
) -> None:
    """One document's whole life: crawl, record, signals against bounds, what each step changed, fate, split, tokens."""
    from flows import explain as explains
    from flows import job

    explains.show(out, job.make(recipe, _root(root)), which)


@app.command()
def whatif(
    rule: Annotated[str, typer.Argument(help="step.signal.min or step.signal.max")],
    sweep: Annotated[str, typer.Option(help="From A to B in N steps: A:B:N.")],
    recipe: Annotated[str, typer.Option("--recipe", help="Whose corpus is asked about.")] = "demo",
    by: Annotated[Literal["source", "language"] | None, typer.Option(help="A line for each source or language.")] = None,
    root: Asked = None,
) -> None:
    """What another bound would keep, up to deduplication, from what is measured already."""
    from flows import job
    from flows import whatif as whatifs

    made = job.make(recipe, _root(root))
    whatifs.show(out, made.store, made.recipe.name, rule, sweep, by)


@app.command(name="try")
def try_(
    step: Annotated[str, typer.Argument(metavar="STEP")],
    file: Annotated[str, typer.Argument(metavar="FILE", help="A page, or a file of records in any format that is read.")],
    recipe: Annotated[str | None, typer.Option("--recipe", help="Whose settings and bounds, and whose steps before it.")] = None,
    set_: Set = None,
) -> None:
    """One step on a file: signals, verdicts, and what it changes in the text."""
    from flows import trial

    trial.show(out, trial.run(trial.of(step, file, recipe, set_ or ())))


@app.command()
def train_classifier(
    positive: Annotated[list[str], typer.Option("--positive", help=f"{TEXTS} of the good kind.", metavar="FILE")],
    negative: Annotated[list[str], typer.Option("--negative", help=f"{TEXTS} of the other kind.", metavar="FILE")],
    into: Out,
    text_key: TextKey = "text",
    sample_mb: SampleMB = 100,
    root: Asked = None,
) -> None:
    """Train a model for the step `classifier`: which of two kinds a text is of."""
    from flows import learning

    learning.train_classifier(out, _root(root), positive, negative, into, text_key, sample_mb)


@app.command()
def train_perplexity(
    good: Annotated[list[str], typer.Option("--good", help=f"{TEXTS} that are good.", metavar="FILE")],
    into: Out,
    text_key: TextKey = "text",
    sample_mb: SampleMB = 100,
    root: Asked = None,
) -> None:
    """Train a model for the step `perplexity`: how surprising a text is beside good ones."""
    from flows import learning

    learning.train_perplexity(out, _root(root), good, into, text_key, sample_mb)


@app.command()
def sql(
    statement: Annotated[str | None, typer.Argument(help="A statement or the name of a stored query; none lists the names.")] = None,
    root: Asked = None,
    form: Annotated[str, typer.Option("--format", help="table, csv or json")] = "table",
) -> None:
    """Ask the catalog."""
    from flows import ask

    ask.answer(out, _root(root), statement, form)


@app.command()
def generate(
    prompt: Annotated[str, typer.Argument()],
    recipe: Annotated[str, typer.Option("--recipe", help="Whose model goes on.")] = "demo",
    root: Asked = None,
    max_tokens: Annotated[int, typer.Option(min=1)] = 64,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Let a recipe's model go on from a prompt."""
    from flows import ask, job

    ask.complete(out, job.make(recipe, _root(root)), prompt, max_tokens=max_tokens, seed=seed)


@app.command()
def demo(
    root: Root = "data/demo",
    set_: Set = None,
    workers: Workers = None,
    plain: Plain = False,
    port: Annotated[int, typer.Option(help="The first of two ports that the demo's pages are served on.")] = 8471,
) -> None:
    """The whole line on pages that this machine serves to itself: a result in minutes, with no internet."""
    from flows.demo import show

    if not show.run(out, root, tuple(set_ or ()), workers, plain=plain, port=port):
        raise typer.Exit(FAILURE)


@app.command()
def bench(names: Annotated[list[str] | None, typer.Argument()] = None, root: Root = "data") -> None:
    """Time this project and a peer in the same run."""
    from flows import bench

    bench.show(out, bench.run(Path(root), names or []))


def main() -> None:
    """The command `corpusmill`."""
    try:
        app()
    except KeyboardInterrupt:  # before any command was found
        _interrupted()
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
