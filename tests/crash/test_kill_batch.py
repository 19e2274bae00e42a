"""A batch whose server is killed in the middle goes on: no line is lost, none that had its answer is asked again."""

import json
import sqlite3
import threading
import time
import urllib.request
from collections import Counter
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from running import serving

LINES = 200
CONCURRENCY = 8


class Upstream(BaseHTTPRequestHandler):
    """Speaks OpenAI's chat completions, and counts what it is asked."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        question = asked["messages"][0]["content"]
        with self.server.lock:
            self.server.asked[question] += 1
        time.sleep(0.02)
        message = {"role": "assistant", "content": f"Answer to {question}"}
        body = json.dumps(
            {
                "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": asked["model"],
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9},
            }
        ).encode()  # fmt: skip
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def upstream():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    server.daemon_threads = True
    server.asked, server.lock = Counter(), threading.Lock()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def upload(server, content):
    head = b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--b\r\n'
    file = b'content-disposition: form-data; name="file"; filename="in.jsonl"\r\n\r\n' + content + b"\r\n--b--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=b"}
    request = urllib.request.Request(f"{server.url}/v1/files", head + file, headers, method="POST")
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)["id"]


def download(server, file_id):
    with urllib.request.urlopen(f"{server.url}/v1/files/{file_id}/content", timeout=60) as response:
        return [json.loads(line) for line in response]


def wait(server, batch_id, enough):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        batch = server.get(f"/v1/batches/{batch_id}")
        if enough(batch):
            return batch
        time.sleep(0.02)
    raise AssertionError(batch)


def finished_lines(home):
    with closing(sqlite3.connect(home / "guru.db")) as connection:
        return {f"Question {number}" for (number,) in connection.execute("SELECT number FROM batch_lines")}


def test_a_killed_batch_goes_on_where_it_was(home, upstream):
    address = f"http://127.0.0.1:{upstream.server_address[1]}/v1"
    (home / "guru.toml").write_text(
        f'[providers.up]\nkind = "openai-compatible"\nbase_url = "{address}"\n[batches]\nconcurrency = {CONCURRENCY}\n'
    )
    lines = [
        {
            "custom_id": f"line-{number}", "method": "POST", "url": "/v1/chat/completions",
            "body": {"model": "up/echo", "messages": [{"role": "user", "content": f"Question {number}"}]},
        }
        for number in range(LINES)
    ]  # fmt: skip
    with serving(home) as server:
        file_id = upload(server, "\n".join(map(json.dumps, lines)).encode())
        ask = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        batch = server.post("/v1/batches", ask)
        wait(server, batch["id"], lambda batch: batch["request_counts"]["completed"] >= LINES // 4)
        server.kill()
    had_answers = finished_lines(home)
    assert LINES // 4 <= len(had_answers) < LINES
    with serving(home) as server:
        batch = wait(server, batch["id"], lambda batch: batch["status"] in ("completed", "failed", "cancelled"))
        assert batch["status"] == "completed"
        assert batch["request_counts"] == {"total": LINES, "completed": LINES, "failed": 0}
        results = download(server, batch["output_file_id"])
    assert [result["custom_id"] for result in results] == [f"line-{number}" for number in range(LINES)]
    answers = [result["response"]["body"]["choices"][0]["message"]["content"] for result in results]
    assert answers == [f"Answer to Question {number}" for number in range(LINES)]
    # What was under way when the server died is asked again, and nothing else.
    repeated = {question for question, count in upstream.asked.items() if count > 1}
    assert not repeated & had_answers
    assert len(repeated) <= CONCURRENCY
    assert sum(upstream.asked.values()) == LINES + len(repeated)
