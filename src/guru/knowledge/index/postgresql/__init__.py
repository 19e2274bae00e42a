"""The index in PostgreSQL: vectors and postings in tables beside the rows, searched where they are."""
