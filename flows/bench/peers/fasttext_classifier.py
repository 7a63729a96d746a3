"""Run by `.venv-peers`, never imported: fastText's classifier over texts.

Takes a file of JSON lines, {"text": …}, how many of them to train on, every other one as of one kind, and the buckets of pairs of
words; prints the seconds of CPU time that it took to tell the kind of every text, training left out.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import fasttext

if __name__ == "__main__":
    given, trained_on, buckets = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    # fastText reads a text a line.
    texts = [" ".join(json.loads(line)["text"].split()) for line in given.read_text().split("\n")[:-1]]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(f"__label__{number % 2} {text}\n" for number, text in enumerate(texts[:trained_on]))
        file.flush()
        model = fasttext.train_supervised(file.name, epoch=1, wordNgrams=2, bucket=buckets, thread=1, verbose=0)
    before = time.process_time()
    for text in texts:
        model.predict(text)
    print(time.process_time() - before)
