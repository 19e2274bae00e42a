"""Models as a library: local ones, the store that fetches them, and the wire formats they speak."""
