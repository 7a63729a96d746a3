"""Models that users train on texts of their own, for steps to measure by: made here, kept in files without code."""
