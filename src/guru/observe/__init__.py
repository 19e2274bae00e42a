"""What happened: traces of every request, and metrics."""
