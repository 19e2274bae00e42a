"""A provider on a loopback port that speaks OpenAI's streamed chat completions, and says what a test has it say."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            self.server.asked.append(asked)
            number = len(self.server.asked)
        said = self.server.answer(asked, number)
        if isinstance(said, str):
            delta, reason = {"role": "assistant", "content": said}, "stop"
        else:
            calls = [
                {"index": place, "id": f"call_{number}_{place}", "type": "function",
                 "function": {"name": name, "arguments": json.dumps(arguments)}}
                for place, (name, arguments) in enumerate(said)
            ]  # fmt: skip
            delta, reason = {"role": "assistant", "tool_calls": calls}, "tool_calls"
        usage = {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9}
        head = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": asked["model"]}
        chunks = [
            head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
            head | {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]},
            head | {"choices": [], "usage": usage},
        ]
        body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks).encode() + b"data: [DONE]\n\n"
        with contextlib.suppress(OSError):  # the server that asked may have been killed
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def provider(answer):
    """`answer(request, number)` gives a text, or calls of tools as `[(name, arguments)]`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.asked, server.lock, server.answer = [], threading.Lock(), answer
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def configure(home, server, agents):
    """A home whose default agents ask the provider."""
    text = f'[providers.mock]\nkind = "openai-compatible"\nbase_url = "http://127.0.0.1:{server.server_port}/v1"\n'
    text += 'api_key = "none"\n\n' + agents
    (home / "guru.toml").write_text(text, encoding="utf-8")
