-- Which versions do the views read, and what do they hold?
SELECT kind, name, fingerprint, counts FROM versions ORDER BY kind, name
