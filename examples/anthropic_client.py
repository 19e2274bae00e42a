"""A streamed answer with the `anthropic` client, from whatever model the server has."""

import sys

from anthropic import Anthropic

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
client = Anthropic(base_url=url, api_key="not-needed-on-this-machine")

with client.messages.stream(
    model="default",
    max_tokens=40,
    system="You are kind.",
    messages=[{"role": "user", "content": "Say hello."}],
) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)
    usage = stream.get_final_message().usage
print(f"\n({usage.input_tokens} tokens in, {usage.output_tokens} out)")
