"""The road that every model call takes, and who may take it."""
