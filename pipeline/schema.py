"""The Arrow schemas of everything on disk: one place, with units.

A `doc_id` is 128 bits and joins all of it. Times are UTC; sizes are bytes unless a name says otherwise.
"""

from __future__ import annotations

import hashlib
import uuid

import pyarrow as pa

DOC_ID = pa.uuid()


def doc_id(source: str, key: bytes) -> bytes:
    """128-bit identity of an input record: a hash of the source's name and the record's own key.

    The key is a WARC record id, a mapped id column's value, or the file's digest and row number. A URL is no
    key: the same one is crawled again and again.
    """
    return hashlib.blake2b(source.encode() + b"\0" + key, digest_size=16).digest()


def doc_ids(storage: list[bytes]) -> pa.Array:
    """An Arrow `uuid` array of 16-byte values."""
    return pa.ExtensionArray.from_storage(DOC_ID, pa.array(storage, pa.binary(16)))


def show(value: bytes) -> str:
    """The text form of a `doc_id`, as DuckDB prints it."""
    return str(uuid.UUID(bytes=value))


def empty(schema: pa.Schema) -> pa.Table:
    """A table of no rows."""
    return pa.Table.from_batches([], schema)


# A row for every record that came in, readable or not.
RECORDS = pa.schema(
    [
        pa.field("doc_id", DOC_ID, nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("id", pa.string()),  # the record's own, where the recipe's `id_key` names it
        pa.field("url", pa.string()),
        pa.field("host", pa.string()),
        pa.field("fetched_at", pa.timestamp("us", "UTC")),
        pa.field("file", pa.string(), nullable=False),  # the raw file's name
        pa.field("offset", pa.int64(), nullable=False),  # bytes into the raw file, or the row number where it has no offsets
        pa.field("bytes", pa.int64(), nullable=False),  # of the payload
        pa.field("digest", pa.binary(16)),  # XXH3 of the payload, or of the text that came in its place; null where there is neither
        pa.field("content_type", pa.string()),
        pa.field("error", pa.string()),  # the reader's reason, where the record could not be read
        pa.field("error_detail", pa.string()),
    ]
)

# What a reader yields: a record, and its payload for the steps.
INPUT = RECORDS.append(pa.field("content", pa.binary())).append(pa.field("charset", pa.string())).append(pa.field("text", pa.string()))

# What passed the gates, dropped or kept; columns that steps add follow.
TEXTS = pa.schema([pa.field("doc_id", DOC_ID, nullable=False), pa.field("text", pa.string(), nullable=False)])

# One row for every record; a column `<step>_<signal>` for every signal follows.
SIGNALS = pa.schema(
    [
        pa.field("doc_id", DOC_ID, nullable=False),
        pa.field("gated_by", pa.string()),  # the step whose gate ended this row: later steps did not run
        pa.field("error_step", pa.string()),  # the step that failed on this row: later steps did not run
        pa.field("error", pa.string()),
        pa.field("error_detail", pa.string()),
        pa.field("text_bytes", pa.int64()),  # of the text as it was where the row ended, in UTF-8
    ]
)

# Exactly one row for every record.
FATES = pa.schema(
    [
        pa.field("doc_id", DOC_ID, nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("kept", pa.bool_(), nullable=False),
        pa.field("step", pa.string()),  # null where kept
        pa.field("rule", pa.string()),  # first broken in recipe order: `step.signal.min`, `ingest.truncated`, `near.duplicate` …
        pa.field("value", pa.float64()),  # the measured value of that rule, where it is a number
        pa.field("bound", pa.float64()),  # the bound that it broke, where it is a number
        pa.field("broken", pa.list_(pa.string()), nullable=False),  # every evaluated rule that the row broke
        pa.field("gated_by", pa.string()),
        pa.field("duplicate_of", DOC_ID),  # the kept twin
        pa.field("similarity", pa.float64()),  # Jaccard, 0 to 1, or the share contained; 1.0 for exact copies
        pa.field("twin_corpus", pa.string()),
        pa.field("detail", pa.string()),
    ]
)

# One row for every document dropped because of another.
DUPLICATES = pa.schema(
    [
        pa.field("doc_id", DOC_ID, nullable=False),  # dropped
        pa.field("duplicate_of", DOC_ID, nullable=False),  # kept
        pa.field("kind", pa.string(), nullable=False),  # url | bytes | exact (of text) | near | overlap | contained
        # Jaccard; where contained, the shared shingles over those of the smaller; null where it was not asked for: of pages of one URL
        pa.field("similarity", pa.float64()),
        pa.field("twin_corpus", pa.string(), nullable=False),
    ]
)

# A row for every line or run of bytes that was cut: a document is its text among `TEXTS` without these spans, of which no two overlap.
CUTS = pa.schema(
    [
        pa.field("doc_id", DOC_ID, nullable=False),
        pa.field("rule", pa.string(), nullable=False),  # host_lines.repeated | lines.repeated | substrings.repeated
        pa.field("start", pa.int64(), nullable=False),  # bytes into the text, in UTF-8
        pa.field(
            "end", pa.int64(), nullable=False
        ),  # where the span ends: a line's behind its line break and the blank lines that go with it
        pa.field(
            "line", pa.int64(), nullable=False
        ),  # equal where lines are, but for case, accents, punctuation, spacing and numbers; where runs are, to the byte
        pa.field(
            "pages", pa.int64(), nullable=False
        ),  # of the host, or of the corpus, that the line stands on; places where a run stands, at least; copies count once
    ]
)

# The kept, ready to use.
DOCUMENTS = pa.schema(
    [
        pa.field("doc_id", DOC_ID, nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("url", pa.string()),
        pa.field("split", pa.string(), nullable=False),  # train | validation | test
        pa.field("text", pa.string(), nullable=False),
    ]
)


def tokens(width: pa.DataType) -> pa.Schema:
    """Token shards: one row a document; `width` is uint16 or uint32. The first token is the beginning-of-text one."""
    return pa.schema(
        [
            pa.field("doc_id", DOC_ID, nullable=False),
            pa.field("source", pa.string(), nullable=False),
            pa.field("bytes", pa.int64(), nullable=False),  # UTF-8 bytes of the text
            pa.field("tokens", pa.list_(pa.field("item", width, nullable=False)), nullable=False),
        ]
    )


# How well a tokenizer fits a sample of a corpus. Tokens are counted without the beginning-of-text ones.
TOKENIZER_REPORT = pa.schema(
    [
        pa.field("split", pa.string()),
        pa.field("source", pa.string()),
        pa.field("language", pa.string()),  # `und` where no step has told it
        *(pa.field(name, pa.int64()) for name in ("documents", "bytes", "words", "tokens", "round_trip_failures")),
        pa.field("bytes_per_token", pa.float64()),
        pa.field("words_per_token", pa.float64()),  # a word is what stands between ASCII white space
    ]
)

# The packing plan: which token range of which document stands where in which training sequence.
ORDER = pa.schema(
    [
        pa.field("sequence", pa.int64(), nullable=False),
        pa.field("position", pa.int32(), nullable=False),  # of the range's first token in the sequence
        pa.field("doc_id", DOC_ID, nullable=False),
        pa.field("start", pa.int64(), nullable=False),  # of the range in the document's tokens
        pa.field("length", pa.int32(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),  # of the document in the token set's train files, one behind the other
        pa.field("component", pa.string(), nullable=False),  # of the mixture, that the document is of
    ]
)

# What a packing plan takes of each component of the mixture.
MIXTURE = pa.schema(
    [
        pa.field("component", pa.string(), nullable=False),
        pa.field("documents", pa.int64(), nullable=False),  # that there are in train
        pa.field("tokens", pa.int64(), nullable=False),  # that there are in train
        pa.field("share", pa.float64(), nullable=False),  # of the plan's tokens, as asked for
        pa.field("target", pa.int64(), nullable=False),  # tokens to take
        pa.field("capped", pa.bool_(), nullable=False),  # whether it is too small for its share even when read as often as it may be
    ]
)

# A row for every URL that a crawl has seen.
CRAWL_LOG = pa.schema(
    [
        pa.field("url", pa.string(), nullable=False),
        pa.field("host", pa.string(), nullable=False),
        pa.field("depth", pa.int32(), nullable=False),  # links from a seed
        pa.field("outcome", pa.string(), nullable=False),  # fetched | unchanged | sitemap | robots | scope | trap | …
        pa.field("detail", pa.string()),
        pa.field("status", pa.int32()),  # of the HTTP response
        pa.field("seen_at", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("fetched_at", pa.timestamp("us", "UTC")),
        pa.field("bytes", pa.int64()),  # of the payload
        pa.field("payload_digest", pa.string()),
        pa.field("record_id", pa.string()),  # of the WARC response record; of an unchanged page, of the one in an earlier edition
        pa.field("referrer", pa.string()),
        pa.field("warc", pa.string()),  # the file beside this log that holds the page's records
        pa.field("offset", pa.int64()),  # bytes into that file
        pa.field("etag", pa.string()),  # as sent: what the next edition asks with
        pa.field("last_modified", pa.string()),  # as sent
        pa.field("canonical", pa.string()),  # where the page says that it belongs
    ]
)

# A row for every training step.
STEPS = pa.schema(
    [
        pa.field("step", pa.int64(), nullable=False),
        pa.field("epoch", pa.int32(), nullable=False),  # which of the run's orders it reads, from 0
        pa.field("first_sequence", pa.int64(), nullable=False),  # of that order, this step's
        pa.field("sequences", pa.int32(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),  # taken | not_finite | spike | rolled_back: only what is taken moves the weights
        pa.field("loss", pa.float64()),  # nats a target token; null where it is no finite number
        pa.field("learning_rate", pa.float64(), nullable=False),
        pa.field("gradient_norm", pa.float64()),  # before clipping; null where it is no finite number
        pa.field("tokens", pa.int64(), nullable=False),  # target tokens of this step
        pa.field("seconds", pa.float64(), nullable=False),
        pa.field("attempt", pa.int32(), nullable=False),  # process starts before the one that made this row
        pa.field("mfu", pa.float64()),  # share of the device's peak in useful operations; null where its peak is not known
        pa.field("memory_bytes", pa.int64(), nullable=False),  # peak so far, on the device
        pa.field("validation_loss", pa.float64()),  # nats a target token after this step, where it was measured
    ]
)

# The loss of each document in each step.
DOCUMENT_LOSSES = pa.schema(
    [
        pa.field("step", pa.int64(), nullable=False),
        pa.field("doc_id", DOC_ID, nullable=False),
        pa.field("loss", pa.float32()),  # mean nats a target token of the document in this step; null where it is no finite number
        pa.field("tokens", pa.int32(), nullable=False),
    ]
)
