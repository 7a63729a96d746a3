"""Files of a Common Crawl snapshot: which, and how they are fetched."""
