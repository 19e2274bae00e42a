"""A server that is killed while it hands a batch to its provider finds it there again, and pays for it once."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from crash.test_kill_batch import download, upload, wait
from running import serving

LINES = 5


class Provider(BaseHTTPRequestHandler):
    """OpenAI's files and batches. The first batch that is made is never answered for."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/files":
            self.server.files.append(re.search(rb"\r\n\r\n(\{.*?)\r\n--", body, re.DOTALL)[1])
            self.say({"id": f"file-{len(self.server.files)}", "object": "file"})
        elif self.path == "/v1/batches":
            self.server.batches.append(json.loads(body)["input_file_id"])
            self.server.made.set()
            self.server.killed.wait(120)
        else:
            self.server.asked_here += 1
            self.say({"error": {"message": "Not here."}}, 400)

    def do_GET(self):
        batches = [
            {"id": f"batch-{n}", "input_file_id": file, "status": "completed", "output_file_id": f"out-{n}"}
            for n, file in enumerate(self.server.batches)
        ]
        if self.path.startswith("/v1/batches?"):
            self.say({"data": batches, "has_more": False})
        elif found := re.fullmatch(r"/v1/batches/batch-(\d+)", self.path):
            self.say(batches[int(found[1])])
        else:
            self.send(b"\n".join(map(self.answer, self.server.files[0].splitlines())))

    def answer(self, line):
        choice = {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}
        body = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini", "choices": [choice],
                "usage": {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000}}  # fmt: skip
        response = {"status_code": 200, "request_id": "r", "body": body}
        return json.dumps({"custom_id": json.loads(line)["custom_id"], "response": response, "error": None}).encode()

    def say(self, value, status=200):
        self.send(json.dumps(value).encode(), status)

    def send(self, body, status=200):
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def provider():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    server.daemon_threads = True
    server.files, server.batches, server.asked_here = [], [], 0
    server.made, server.killed = threading.Event(), threading.Event()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.killed.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_batch_that_was_handed_in_is_not_handed_in_again(home, provider):
    address = f"http://127.0.0.1:{provider.server_address[1]}/v1"
    (home / "guru.toml").write_text(
        f'[providers.openai]\napi_key = "k"\nbase_url = "{address}"\n[batches]\nprovider = true\n'
        '[prices."openai/gpt-4o-mini"]\ninput = 1.0\noutput = 1.0\n'
    )
    body = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Is it so?"}], "max_tokens": 9}
    line = {"method": "POST", "url": "/v1/chat/completions", "body": body}
    lines = [json.dumps({"custom_id": f"line-{number}", **line}).encode() for number in range(LINES)]
    with serving(home) as server:
        file_id = upload(server, b"\n".join(lines))
        ask = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        batch = server.post("/v1/batches", ask)
        assert provider.made.wait(60)
        server.kill()
    provider.killed.set()
    with serving(home) as server:
        batch = wait(server, batch["id"], lambda batch: batch["status"] in ("completed", "failed", "cancelled"))
        assert batch["request_counts"] == {"total": LINES, "completed": LINES, "failed": 0}
        results = download(server, batch["output_file_id"])
        assert [result["custom_id"] for result in results] == [f"line-{number}" for number in range(LINES)]
        traces = [server.get(f"/api/v1/traces/{result['response']['request_id']}") for result in results]
    assert (provider.batches, len(provider.files), provider.asked_here) == (["file-1"], 1, 0)
    # A million tokens cost a dollar, and half of that in a batch.
    assert [round(trace["cost"], 6) for trace in traces] == [0.001] * LINES
