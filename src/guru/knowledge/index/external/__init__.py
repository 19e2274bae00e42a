"""Indexes whose vectors are on another server: one shared keeper of the promise, and a small file for each vendor."""
