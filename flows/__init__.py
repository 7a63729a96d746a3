"""Orchestration and command line: the only package that knows Prefect, and the only one that imports all the others."""
