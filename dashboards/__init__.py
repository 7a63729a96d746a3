"""SQL, tables and reports over the catalog."""
