"""Embed a few sentences, and find the one that is nearest to a question."""

import sys

from openai import OpenAI

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
client = OpenAI(base_url=f"{url}/v1", api_key="not-needed-on-this-machine")

sentences = [
    "The warranty covers the weighing cell for five years.",
    "Passwords are changed when they have leaked, not by the calendar.",
    "A private car is paid by the kilometre.",
]
question = "How am I reimbursed for driving?"

data = client.embeddings.create(model="embedding", input=[question, *sentences]).data
query, *vectors = [item.embedding for item in data]
# The vectors have length one, so that their product is the cosine of the angle between them.
scores = [sum(a * b for a, b in zip(query, vector, strict=True)) for vector in vectors]
for score, sentence in sorted(zip(scores, sentences, strict=True), reverse=True):
    print(f"{score:.3f}  {sentence}")
