"""What is remembered of a person, beyond one conversation: kept per person, seen, changed and erased by them alone."""
