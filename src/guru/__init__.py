"""Guru: one self-hosted server for generative AI, from a document to an answer whose every citation holds."""

__version__ = "0.1.0"
