"""Indexes: what finds the passages of a collection by meaning and by words. Each is one file, behind one protocol."""
