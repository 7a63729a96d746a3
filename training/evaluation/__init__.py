"""How well a model predicts held-out documents, beside what it has to beat; told in `docs/evaluation.md`."""

# What predicts or compresses, by its name among the scores.
NAMES = {
    "model": "the model",
    "five_gram": "Kneser-Ney 5-gram of the same tokens, up to five_gram_tokens",
    "unigram": "unigram, trained on the same tokens",
    "gzip": "gzip, each document alone",
    "xz": "xz, each document alone",
    "gzip_concatenated": "gzip, all documents as one stream",
    "xz_concatenated": "xz, all documents as one stream",
    "xz_primed": "xz, all documents as one stream behind the training text's last 8 MiB",
}
