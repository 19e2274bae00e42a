"""The sample documents: a small handbook of a company that does not exist. `scripts/make_samples.py` writes them."""

from pathlib import Path

DOCUMENTS = Path(__file__).parent / "documents"
"""The folder to ingest."""
QUESTIONS = Path(__file__).parent / "questions.json"
"""Ten questions on them, two of which they do not answer: a list of `question`, `answer`, `document`."""
