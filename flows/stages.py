"""The line's stages as plain functions: each takes a job and what the stage before it made, and returns what it made.

A stage that finds its result in place does no work. Whatever orchestrates them adds scheduling, retries and watching,
and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dashboards import report as reports
from flows import mixing, process
from flows.job import Job, current
from flows.progress import Progress
from pipeline import catalog, corpus, order, pack, shard, tokenizer
from pipeline.common_crawl.config import CommonCrawlConfig
from pipeline.common_crawl.fetch import fetch
from pipeline.crawl import editions
from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.engine import crawl as crawling
from pipeline.dedup import signed
from pipeline.dedup.config import NearConfig
from pipeline.dedup.signed import Signing
from pipeline.each import Each, one_by_one
from pipeline.ingest import inputs
from pipeline.shard import Shard
from pipeline.store import Built, Store, Version
from training import settings

MAX_GROUPS = 200  # an orchestrator sees a group of shards at a time, and not more of them than it can show

ShardGroup = list[Shard]


@dataclass(frozen=True)
class Stage:
    """What a stage made: where it lies, whether this call made it, and how much of what."""

    name: str
    path: str
    made: bool
    counts: dict[str, int]
    notes: tuple[str, ...] = ()  # what a person should be told


def stage(name: str, built: Built, notes: tuple[str, ...] = ()) -> Stage:
    """The account of a built version."""
    return Stage(name, built.path, built.made, dict(built.manifest.counts), notes)


def crawl(job: Job, edition: str | None = None) -> list[Stage]:
    """Fetch what the recipe's sources name; one account a source. An edition of a crawl goes on from the one before it."""
    done = []
    for source in job.recipe.sources:
        if source.crawl:
            done.append(crawl_source(job.store, source.name, source.crawl, edition))
        elif source.common_crawl:
            done.append(fetch_snapshot(job.store, source.name, source.common_crawl))
    return done


def fetch_snapshot(store: Store, name: str, config: CommonCrawlConfig) -> Stage:
    """Fetch files of a Common Crawl snapshot into `raw/<name>`."""
    with Progress(f"fetch {config.snapshot}", "files", config.count) as progress:
        found = fetch(config, store.folder(f"raw/{name}"), progress.fetched)
    return Stage(f"fetch {name}", f"raw/{name}", not found.already_done, {"fetched": len(found.files)})


def crawl_source(store: Store, name: str, config: CrawlConfig, edition: str | None = None) -> Stage:
    """Crawl into `raw/<name>`, or into an edition's folder within it, what has not changed since the crawl before noted as such."""
    source = store.folder(f"raw/{name}")
    folder = editions.place(source, edition)
    with Progress(f"crawl {name}", "pages") as progress:
        found = crawling(config, folder, progress.crawled, earlier=editions.earlier(source, edition))
    counts = {"fetched": found.fetched, "unchanged": found.outcomes.get("unchanged", 0), "seen": found.seen}
    return Stage(f"crawl {name}", "/".join(["raw", name, *([edition] if edition else [])]), not found.already_done, counts)


def shards(job: Job) -> list[Shard]:
    """The shards that the recipe asks for over what its sources hold now."""
    return shard.plan(job.recipe, {source.name: inputs.find(job.store, source, job.recipe.folder) for source in job.recipe.sources})


def missing(job: Job, wanted: Sequence[Shard]) -> list[Shard]:
    """The shards that are not on disk yet."""
    return [each for each in wanted if job.store.manifest(f"shards/{each.fingerprint}") is None]


def process_group(root: str, signing: NearConfig | None, group: ShardGroup) -> list[Built]:
    """Run the steps over a group of shards, and sign them where it is known under which terms: the work of one task."""
    store = Store(root)
    made = [shard.process(store, each) for each in group]
    if signing:
        signed.sign([Signing(root, built.manifest.fingerprint, None, signing) for built in made])
    return made


def _signing(job: Job) -> NearConfig | None:
    """The terms of signatures, where a shard can be signed by itself: lines that others share are cut before it is."""
    dedup = job.recipe.dedup
    return None if dedup.cuts else dedup.signing


def groups(wanted: Sequence[Shard], workers: int) -> list[ShardGroup]:
    """Shards dealt into groups, the largest inputs first, so that the groups end at about the same time."""
    count = min(len(wanted), max(4 * workers, len(wanted) // MAX_GROUPS), MAX_GROUPS)
    dealt: list[ShardGroup] = [[] for _ in range(count)]
    for number, each in enumerate(sorted(wanted, key=lambda each: -each.bytes)):
        dealt[number % count].append(each)
    return dealt


def curate(job: Job, each: Each = one_by_one) -> list[Stage]:
    """Extract, measure, decide and deduplicate: the recipe's corpus."""
    wanted = shards(job)
    todo = missing(job, wanted)
    with Progress("steps", "shards", len(todo)) as progress:
        for built in each("shards", partial(process_group, job.root, _signing(job)), groups(todo, job.workers)):
            progress.advance(len(built))
    names = [found.fingerprint for found in wanted]
    notes = tuple(f"{damage.source}: {damage.file} is {damage.why}" for damage in shard.damaged(job.store, names))
    measured = Stage("steps", "shards", bool(todo), {"shards": len(wanted), "processed": len(todo)}, notes)
    with Progress("decide and deduplicate"):
        made = corpus.build(job.store, job.recipe, names, each)
    empty = not made.manifest.counts["kept"]
    return [measured, stage("corpus", made, ("nothing was kept: `corpusmill sql funnel` tells what each rule dropped",) if empty else ())]


def tokenize(job: Job, each: Each = one_by_one) -> list[Stage]:
    """Train the tokenizer on the current corpus, encode it, and write down the order of training."""
    recipe, store = job.recipe, job.store
    text = current(store, "corpora", recipe.name)
    with Progress("tokenize"):
        trained = tokenizer.build(store, recipe.name, text, recipe.tokenizer)
        tokens = pack.build(store, recipe.name, text, trained.path, recipe.tokens, each)
        ordered = orders(job, tokens.path)
    for kind, built in (("tokenizers", trained), ("tokens", tokens)):
        store.point(f"{kind}/{recipe.name}", built.manifest.fingerprint)
    encoded = replace(stage("tokens", tokens), notes=tuple(_encoded_again(tokens)))
    planned = (stage(f"order {epoch}", each, mixing.told(store, each)) for epoch, each in enumerate(ordered))
    return [stage("tokenizer", trained), encoded, *planned]


def _encoded_again(tokens: Built) -> Iterator[str]:
    if again := tokens.manifest.counts.get("files_encoded_again"):
        yield f"{again:,} files of documents were encoded again by tokenizers: a faster engine gave other tokens for one of theirs"


def orders(job: Job, tokens: str) -> list[Built]:
    """The order of training sequences of each epoch over a token set."""
    epochs = job.recipe.section(settings.TrainConfig).epochs
    return [order.build(job.store, tokens, job.recipe.order, epoch, job.recipe.mixture) for epoch in range(epochs)]


def pretrain(job: Job, tokens: str | None = None, watch: Callable[[Path], None] = lambda _: None) -> list[Stage]:
    """Train the recipe's model on a token set, the current one unless told, in a process of its own that `watch` may look at."""
    recipe, store = job.recipe, job.store
    made = trained(job, tokens or current(store, "tokens", recipe.name), watch)
    store.point(f"runs/{recipe.name}", made.path.rpartition("/")[2])
    return [made]


def trained(job: Job, tokens: str, watch: Callable[[Path], None] = lambda _: None) -> Stage:
    """The run of the recipe's model on a token set, as `pretrain` makes it, but not the current one."""
    recipe, store = job.recipe, job.store
    made = settings.version(store, tokens)
    task = settings.TrainJob(
        root=job.root,
        name=recipe.name,
        tokens=tokens,
        orders=tuple(ordered.path for ordered in orders(job, tokens)),
        tokenizer=f"tokenizers/{recipe.name}/{made.spec['tokenizer']}",
        model=recipe.section(settings.ModelConfig),
        train=recipe.section(settings.TrainConfig),
        device=process.device(),
    )
    place = settings.run_place(store, task)
    made_now = store.manifest(place) is None and process.train(store, task, place, watch)
    return Stage("pretraining", place, made_now, dict(settings.version(store, place).counts))


def evaluate(job: Job, run: str | None = None) -> list[Stage]:
    """Measure a run, the current one unless told, on the held-out documents of the token set it was trained on."""
    recipe, store = job.recipe, job.store
    run = run or current(store, "runs", recipe.name)
    spec = settings.version(store, run).spec
    tokens = f"tokens/{recipe.name}/{spec['tokens']}"
    task = settings.EvaluateJob(
        root=job.root,
        name=recipe.name,
        run=run,
        tokens=tokens,
        corpus=f"corpora/{recipe.name}/{settings.version(store, tokens).spec['corpus']}",
        evaluate=recipe.section(settings.EvaluateConfig),
        device=process.device(),
    )
    place = settings.evaluation_place(store, task)
    made_now = store.manifest(place) is None and process.evaluate(store, task)
    store.point(f"evaluations/{recipe.name}", place.rpartition("/")[2])
    counts = dict(settings.version(store, place).counts)
    return [Stage("evaluation", place, made_now, counts, _too_few(counts["documents"], counts["bytes"]))]


def _too_few(documents: int, size: int) -> tuple[str, ...]:
    if not settings.few(documents, size):
        return ()
    wanted = f"{settings.MIN_DOCUMENTS} documents and {settings.MIN_BYTES:,} bytes"
    return (f"evaluation: {documents} held-out documents of {size:,} bytes say little; at least {wanted} were expected: raise `[split]`",)


def report(job: Job) -> list[Stage]:
    """Rebuild the catalog's views and write the report, unless it says already what there is to say."""
    store = job.store
    spec = {"version": reports.VERSION, "state": catalog.state(store)}

    def write(version: Version) -> dict[str, int]:
        catalog.refresh(store)
        version.write("report.html", reports.page(store).encode())
        return {}

    with Progress("report"):
        made = store.build(f"reports/{job.recipe.name}", spec, write)
    return [Stage("report", store.uri(f"{made.path}/report.html"), made.made, {})]


Run = Callable[..., list[Stage]]


def plainly(function: Run, *args: object) -> list[Stage]:
    """Run a stage as the function it is."""
    return function(*args)


def corpus_to_model(job: Job, run: Run = plainly, each: Each = one_by_one) -> list[Stage]:
    """The whole line. `run` is how a stage is run, `each` how its groups of shards are."""
    return [
        *run(crawl, job),
        *run(curate, job, each),
        *run(tokenize, job, each),
        *run(pretrain, job),
        *run(evaluate, job),
        *run(report, job),
    ]
