"""Files that clients upload, and batches of requests over any model."""
