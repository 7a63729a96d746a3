"""A trained classifier over English texts, beside fastText's: MB of text a second of CPU time, one core."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from flows.bench import filters, peer
from flows.bench.result import Result
from flows.bench.texts import extracted
from pipeline.models import file
from pipeline.models.classifier import TrainConfig, train
from pipeline.models.texts import draw

TRAINED_ON, SAMPLE_MB = 800, 10


def beside_fasttext() -> Result:
    """Both take words and pairs of words, in as many buckets, and learn to tell one half of some texts from the other."""
    peer.expect()
    texts = extracted(peer.warcs(), filters.BYTES, "en")
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    config = TrainConfig(max_passes=1)
    with tempfile.TemporaryDirectory() as folder:
        model, lines = Path(folder, "model.safetensors"), Path(folder, "texts.jsonl")
        some = texts[:TRAINED_ON]
        facts, arrays, _ = train(draw(some[::2], SAMPLE_MB), draw(some[1::2], SAMPLE_MB), config)
        file.write(model, facts, arrays)
        lines.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        chain = (("classifier", {"model": str(model)}),)
        # Before and after the peer: how fast the machine is may change within its minute.
        before = filters.seconds(texts, chain)
        peer_s = peer.seconds("fasttext_classifier.py", lines, str(TRAINED_ON), str(config.buckets))
        after = filters.seconds(texts, chain)
    ours, theirs = 2 * megabytes / (before + after), megabytes / peer_s
    note = f"{len(texts)} English texts of {megabytes:.1f} MB, words and pairs in {config.buckets} buckets, by CPU time of one core"
    return Result("classifier", "MB/s", round(ours, 2), round(theirs, 3), "fastText", round(ours / theirs, 1), note)
