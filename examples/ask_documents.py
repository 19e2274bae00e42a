"""Ask a collection a question, and print the answer with every source. Needs the standard library only."""

import json
import sys
import urllib.request

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
question = {"question": "How many weeks of parental leave does every parent get?", "collection": "handbook"}

request = urllib.request.Request(
    f"{url}/api/v1/ask", json.dumps(question).encode(), {"content-type": "application/json"}, method="POST"
)
with urllib.request.urlopen(request) as response:
    answer = json.load(response)

print(answer["answer"])
for citation in answer["citations"]:
    page = f", page {citation['page']}" if citation["page"] else ""
    print(f"[{citation['n']}] {citation['document']}{page}: “{citation['quote']}”")

# `outcome` says how the answer came to be: phrased by the model ("answered"), shown as quotations ("quoted"),
# or "declined", as it is not in the documents.
print(f"outcome: {answer['outcome']}, trace: {url}/api/v1/traces/{answer['trace_id']}")
