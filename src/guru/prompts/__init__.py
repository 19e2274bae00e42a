"""Prompts with versions and labels, and the building blocks of good ones."""
