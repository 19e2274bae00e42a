"""What every loopback server keeps its vectors in, and the HTTP that three of them speak."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import numpy as np


class Shelf:
    """Collections by name. Exact: what is tested is the wire and what stands around it."""

    def __init__(self):
        self.collections = {}
        self.calls = []
        """The names of the calls, in their order."""
        self.fault = None
        """Is given the name of each call before it is answered: may raise `Refusal`, `Cut`, or sleep."""
        self.key = None

    def called(self, name, key=None):
        self.calls.append(name)
        if self.key is not None and key != self.key:
            raise Refusal(401, "wrong key")
        if self.fault is not None:
            self.fault(name)

    def points(self, name):
        if name not in self.collections:
            raise Refusal(404, f"collection {name} not found")
        return self.collections[name]["points"]

    def put(self, name, number, document, vector):
        vector = np.array(vector, np.float32)
        if len(vector) != self.collections[name]["dimension"]:
            raise Refusal(400, f"dimension {len(vector)}")
        self.points(name)[number] = (document, vector)

    def search(self, name, vector, k, chosen=lambda number, document: True):
        """Ids with their products, best first."""
        query = np.array(vector, np.float32)
        found = [
            (number, float(own @ query))
            for number, (document, own) in self.points(name).items()
            if chosen(number, document)
        ]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))[:k]


class Refusal(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Cut(Exception):
    """The answer ends in the middle."""


class Api:
    """Serves one protocol: `answer(method, path, query, body, headers)` gives an object for JSON."""

    def __init__(self, shelf):
        self.shelf = shelf


@contextmanager
def serving_http(api):
    """The address of a server of `api` on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self):
            length = int(self.headers.get("content-length") or 0)
            raw = self.rfile.read(length)
            body = json.loads(raw) if raw else None
            parts = urlsplit(self.path)
            try:
                status, answer = 200, api.answer(self.command, parts.path, parse_qsl(parts.query), body, self.headers)
            except Refusal as refusal:
                status, answer = refusal.status, api.refusal(refusal)
            except Cut:
                self.wfile.write(
                    b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{"re'
                )
                self.close_connection = True
                return
            content = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *_):
            pass

        def handle(self):
            try:
                super().handle()
            except (ConnectionError, TimeoutError):
                pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def hang(seconds):
    """A fault: nobody answers for a while."""
    return lambda name: time.sleep(seconds)


def refuse(status, *names):
    """A fault: the calls of these names, or all, are refused."""

    def fault(name):
        if not names or name in names:
            raise Refusal(status, f"{name} is refused")

    return fault


def cut(*names):
    """A fault: answers to these calls, or all, end in the middle."""

    def fault(name):
        if not names or name in names:
            raise Cut

    return fault
