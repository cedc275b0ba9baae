"""One Ibis connection: DuckDB in this process, Spark elsewhere."""
