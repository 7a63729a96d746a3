"""Deduplication: whatever needs more than one document's own text. Pure functions over Arrow; the caller reads and writes."""
