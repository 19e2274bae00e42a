"""Models that run on this machine: chat in a supervised llama.cpp worker, embeddings in this process."""
