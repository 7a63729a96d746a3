"""The steps: a file each, found by its name."""
