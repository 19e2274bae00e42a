"""What is kept: rows (SQLite now, PostgreSQL behind the same interface), blobs and durable jobs."""
