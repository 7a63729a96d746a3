"""Run by `.venv-peers`, never imported: what datatrove's filters say of texts, and what each of their rules says alone.

Standard input: a line for each text, {"text": …, "filters": […]}. Standard output: a line for each, with "decisions" (filter:
reason for dropping, or null), "alone" (rule: whether it drops the text; null where another rule with the same setting hides it)
and "texts" (line rule of C4: the text that it leaves).
"""

import json
import os
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
warnings.simplefilter("ignore")

from datatrove.data import Document  # noqa: E402  # read offline
from datatrove.pipeline.filters import (  # noqa: E402
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    c4_filters,
    fineweb_quality_filter,
    gopher_quality_filter,
    gopher_repetition_filter,
)

NO_QUALITY = dict.fromkeys(
    (
        "min_doc_words", "max_doc_words", "min_avg_word_length", "max_avg_word_length", "max_symbol_word_ratio",
        "max_bullet_lines_ratio", "max_ellipsis_lines_ratio", "max_non_alpha_words_ratio", "min_stop_words",
    )
)  # fmt: skip
NO_REPETITION = {
    **dict.fromkeys(("dup_line_frac", "dup_para_frac", "dup_line_char_frac", "dup_para_char_frac")),
    "top_n_grams": (),
    "dup_n_grams": (),
}
NO_C4_DOCUMENTS = {"filter_lorem_ipsum": False, "filter_curly_bracket": False, "min_num_sentences": -1}
NO_C4 = {
    **NO_C4_DOCUMENTS, "remove_citations": False, "filter_no_terminal_punct": False, "min_words_per_line": -1, "max_word_length": -1,
    "filter_javascript": False, "filter_policy": False,
}  # fmt: skip
NO_FINEWEB = {"line_punct_thr": -1.0, "short_line_thr": 2.0, "char_duplicates_ratio": 2.0, "new_line_ratio": 1e9}

FILTERS = {
    "gopher_quality": GopherQualityFilter(),
    "gopher_repetition": GopherRepetitionFilter(),
    "c4": C4QualityFilter(),
    "c4_without_terminal": C4QualityFilter(filter_no_terminal_punct=False),
    "fineweb_quality": FineWebQualityFilter(),
}

# Rule: filter of these settings alone. Rules of one filter stand under its name.
ALONE = {
    "gopher_quality": {
        "gopher_short_doc": GopherQualityFilter(**{**NO_QUALITY, "min_doc_words": 50}),
        "gopher_long_doc": GopherQualityFilter(**{**NO_QUALITY, "max_doc_words": 100_000}),
        "gopher_below_avg_threshold": GopherQualityFilter(**{**NO_QUALITY, "min_avg_word_length": 3}),
        "gopher_above_avg_threshold": GopherQualityFilter(**{**NO_QUALITY, "max_avg_word_length": 10}),
        "gopher_too_many_hashes": GopherQualityFilter(**{**NO_QUALITY, "max_symbol_word_ratio": 0.1}),
        "gopher_too_many_ellipsis": GopherQualityFilter(**{**NO_QUALITY, "max_symbol_word_ratio": 0.1}),
        "gopher_too_many_bullets": GopherQualityFilter(**{**NO_QUALITY, "max_bullet_lines_ratio": 0.9}),
        "gopher_too_many_end_ellipsis": GopherQualityFilter(**{**NO_QUALITY, "max_ellipsis_lines_ratio": 0.3}),
        "gopher_below_alpha_threshold": GopherQualityFilter(**{**NO_QUALITY, "max_non_alpha_words_ratio": 0.8}),
        "gopher_enough_stop_words": GopherQualityFilter(**{**NO_QUALITY, "min_stop_words": 2}),
    },
    "gopher_repetition": {
        "dup_para_frac": GopherRepetitionFilter(**{**NO_REPETITION, "dup_para_frac": 0.3}),
        "dup_para_char_frac": GopherRepetitionFilter(**{**NO_REPETITION, "dup_para_char_frac": 0.2}),
        "dup_line_frac": GopherRepetitionFilter(**{**NO_REPETITION, "dup_line_frac": 0.3}),
        "dup_line_char_frac": GopherRepetitionFilter(**{**NO_REPETITION, "dup_line_char_frac": 0.2}),
        **{
            f"top_{n}_gram": GopherRepetitionFilter(**{**NO_REPETITION, "top_n_grams": ((n, most),)})
            for n, most in ((2, 0.2), (3, 0.18), (4, 0.16))
        },
        **{
            f"duplicated_{n}_n_grams": GopherRepetitionFilter(**{**NO_REPETITION, "dup_n_grams": ((n, most),)})
            for n, most in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
        },
    },
    "c4": {
        "lorem_ipsum": C4QualityFilter(**{**NO_C4_DOCUMENTS, "filter_lorem_ipsum": True}),
        "curly_bracket": C4QualityFilter(**{**NO_C4_DOCUMENTS, "filter_curly_bracket": True}),
        "too_few_sentences": C4QualityFilter(**{**NO_C4_DOCUMENTS, "min_num_sentences": 5}),
    },
    "fineweb_quality": {
        "line_punct_ratio": FineWebQualityFilter(**{**NO_FINEWEB, "line_punct_thr": 0.12}),
        "short_line_ratio": FineWebQualityFilter(**{**NO_FINEWEB, "short_line_thr": 0.67}),
        "char_dup_ratio": FineWebQualityFilter(**{**NO_FINEWEB, "char_duplicates_ratio": 0.01}),
        "list_ratio": FineWebQualityFilter(**{**NO_FINEWEB, "new_line_ratio": 0.3}),
    },
}
LINES = {
    "no rule": C4QualityFilter(**NO_C4),
    "every rule": C4QualityFilter(**NO_C4_DOCUMENTS),
    "too_long_word": C4QualityFilter(**{**NO_C4, "max_word_length": 1000}),
    "citations": C4QualityFilter(**{**NO_C4, "remove_citations": True}),
    "no_terminal_punc": C4QualityFilter(**{**NO_C4, "filter_no_terminal_punct": True}),
    "too_few_words": C4QualityFilter(**{**NO_C4, "min_words_per_line": 3}),
    "javascript": C4QualityFilter(**{**NO_C4, "filter_javascript": True}),
    "policy": C4QualityFilter(**{**NO_C4, "filter_policy": True}),
}


def remember(module, name):
    """Let a filter's module part a text once for all filters; forgotten with the next text."""
    plain, kept = getattr(module, name), {}

    def remembering(text, language):
        if text not in kept:
            kept[text] = plain(text, language)
        return kept[text]

    setattr(module, name, remembering)
    return kept


def reason(each, text):
    """Why the filter drops the text, or None."""
    said = each.filter(Document(text=text, id="0"))
    return None if said is True else said[1] if isinstance(said, tuple) else "dropped"


def left(each, text):
    """The text that the filter leaves."""
    document = Document(text=text, id="0")
    each.filter(document)
    return document.text


def alone(name, rule, each, text):
    """Whether the rule drops the text; None where the other rule of its setting has dropped it first."""
    said = reason(each, text)
    if rule == "gopher_too_many_ellipsis" and said == "gopher_too_many_hashes":
        return None
    return said == rule


def judge(text, names):
    """What the named filters say of a text."""
    return {
        "decisions": {name: reason(FILTERS[name], text) for name in names},
        "alone": {rule: alone(name, rule, each, text) for name in names for rule, each in ALONE.get(name, {}).items()},
        "texts": {rule: left(each, text) for rule, each in LINES.items()} if "c4" in names else {},
    }


if __name__ == "__main__":
    modules = (gopher_quality_filter, gopher_repetition_filter, fineweb_quality_filter)
    caches = [remember(module, "split_into_words") for module in modules]
    # The three ask the same of one text: they share what the first has found.
    for module in modules[1:]:
        module.split_into_words = modules[0].split_into_words
    caches.append(remember(c4_filters, "split_into_sentences"))
    for line in sys.stdin:
        given = json.loads(line)
        sys.stdout.write(json.dumps(judge(given["text"], given["filters"])) + "\n")
        for cache in caches:
            cache.clear()
