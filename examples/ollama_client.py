"""A streamed chat with the `ollama` client: Guru takes the place of an Ollama server."""

import sys

from ollama import Client

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
client = Client(host=url)

messages = [{"role": "user", "content": "Say hello."}]
for part in client.chat(model="default", messages=messages, options={"num_predict": 40}, stream=True):
    print(part.message.content or "", end="", flush=True)
    if part.done:
        print(f"\n({part.prompt_eval_count} tokens in, {part.eval_count} out)")
