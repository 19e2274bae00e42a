"""What surrounds a search: the topics of a collection, a map of it, what is unlike the rest, and summaries."""
