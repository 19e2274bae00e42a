"""Databases that models may ask, and change nothing in: held by the database's own means, and parsed before that."""
