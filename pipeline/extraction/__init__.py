"""From a page's bytes to its text and what it says of itself, in a process that may die of it."""
