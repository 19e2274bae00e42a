"""A chat that is grounded in a collection, with the `openai` client: the one addition is `guru`."""

import sys

from openai import OpenAI

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
client = OpenAI(base_url=f"{url}/v1", api_key="not-needed-on-this-machine")

stream = client.chat.completions.create(
    model="default",
    messages=[{"role": "user", "content": "What is the mileage rate for a private car?"}],
    extra_body={"guru": {"collection": "handbook"}},
    stream=True,
    stream_options={"include_usage": True},
)
for chunk in stream:
    for choice in chunk.choices:
        print(choice.delta.content or "", end="", flush=True)
    if chunk.usage:
        print(f"\n({chunk.usage.prompt_tokens} tokens in, {chunk.usage.completion_tokens} out)")
