"""Run by `.venv-peers`, never imported: datatrove's MinHash signatures of texts, in memory.

Takes a file of JSON lines, {"text": …}, the number of values a signature and of words a shingle; prints its seconds of CPU time,
texts read and the tokenizer loaded before.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

from datatrove.pipeline.dedup import MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig

HASHES_PER_BUCKET = 8

if __name__ == "__main__":
    file, values, words = sys.argv[1:]
    config = MinhashConfig(n_grams=int(words), num_buckets=int(values) // HASHES_PER_BUCKET, hashes_per_bucket=HASHES_PER_BUCKET)
    texts = [json.loads(line)["text"] for line in Path(file).read_text().split("\n")[:-1]]
    step = MinhashDedupSignature(str(Path(file).parent), config)
    step.get_signature(step.get_shingles("This is a text to load its words with. " * 5))
    before = time.process_time()
    for text in texts:
        shingles = step.get_shingles(text)
        if shingles.size:
            step.get_signature(shingles)
    print(time.process_time() - before)
