"""Training a byte-level BPE tokenizer."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from pipeline.tokenizer.config import END_OF_TEXT, TokenizerConfig
from pipeline.tokenizer.encoder import Encoder, begin_with
from pipeline.tokenizer.patterns import pattern
from pipeline.tokenizer.pieces import pieces

MIN_PAIR_COUNT = 2  # a pair seen once teaches nothing


def train(texts: Sequence[str], config: TokenizerConfig) -> Encoder:
    """Byte-level BPE over the texts: the same entries whatever order they come in. Small text gives fewer entries than asked for.

    `ValueError` where a special token is one that text could be merged into.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern(config.pattern, config.digits)), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    for token in config.special_tokens:
        if len(tokenizer.pre_tokenizer.pre_tokenize_str(token)) < 2:  # the trainer would give the merged text the token's number
            raise ValueError(
                f"special_tokens: expected one that the pattern cuts, such as <|user|>, not {token!r}: text may be merged into it"
            )
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocabulary,
        min_frequency=MIN_PAIR_COUNT,
        special_tokens=[END_OF_TEXT, *config.special_tokens],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((piece for text in texts for piece in pieces(text)), trainer=trainer)
    missing = -tokenizer.get_vocab_size() % config.multiple
    tokenizer.add_special_tokens([AddedToken(f"<|reserved_{number}|>", special=True) for number in range(missing)])
    return begin_with(tokenizer, END_OF_TEXT)
