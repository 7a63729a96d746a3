"""The polite crawler: from seeds to WARC files and a log with a row for every URL seen."""
