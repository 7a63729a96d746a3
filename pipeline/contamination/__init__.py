"""Which n-grams of evaluation texts stand in a document."""
