"""Many requests as one job, with the `openai` client; the job goes on when the server is restarted."""

import json
import sys
import time

from openai import OpenAI

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
client = OpenAI(base_url=f"{url}/v1", api_key="not-needed-on-this-machine")

path = "/v1/embeddings"
lines = [
    {"custom_id": word, "method": "POST", "url": path, "body": {"model": "embedding", "input": word}}
    for word in ("harbour", "crane", "boat")
]
content = "\n".join(map(json.dumps, lines)).encode()
file = client.files.create(file=("words.jsonl", content), purpose="batch")
batch = client.batches.create(input_file_id=file.id, endpoint=path, completion_window="24h")

while batch.status in ("validating", "in_progress", "finalizing"):
    time.sleep(0.2)
    batch = client.batches.retrieve(batch.id)
print(f"{batch.status}: {batch.request_counts.completed} of {batch.request_counts.total}")

for line in client.files.content(batch.output_file_id).text.splitlines():
    answer = json.loads(line)
    print(answer["custom_id"], len(answer["response"]["body"]["data"][0]["embedding"]))
