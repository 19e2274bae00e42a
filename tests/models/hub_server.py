"""A loopback server that speaks the hub's API and a package index's, and can be told to misbehave."""

import hashlib
import json

from aiohttp import web


class HubServer:
    """Holds files by repository and path. `faults` are used up one per request for content.

    `before_cut` is awaited with the bytes that were sent of the file before a fault cuts the connection.
    """

    def __init__(self):
        self.files = {}
        self.wheels = {}
        self.faults = []
        self.before_cut = None
        self.status = None
        self.ignore_range = False
        self.html_index = False
        self.token = None
        self.lie = False
        self.ranges = []
        self.authorizations = []
        self.url = ""
        self.cdn = ""
        self._runners = []

    async def start(self):
        app = web.Application()
        app.router.add_get("/api/models/{owner}/{name}/tree/{revision}", self._tree)
        app.router.add_get("/api/models/{owner}/{name}/tree/{revision}/{folder:.+}", self._tree)
        app.router.add_get("/{owner}/{name}/resolve/{revision}/{path:.+}", self._resolve)
        app.router.add_get("/simple/{package}/", self._index)
        app.router.add_get("/packages/{file}", self._wheel)
        self.url = await self._serve(app)
        cdn = web.Application()
        cdn.router.add_get("/{path:.+}", self._content)
        self.cdn = await self._serve(cdn, "localhost")
        return self

    async def stop(self):
        for runner in self._runners:
            await runner.cleanup()

    async def _serve(self, app, host="127.0.0.1"):
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._runners.append(runner)
        return f"http://{host}:{site._server.sockets[0].getsockname()[1]}"

    def _check(self, request):
        if self.status:
            raise _error(self.status)
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            raise _error(401)

    async def _tree(self, request):
        self._check(request)
        repository = f"{request.match_info['owner']}/{request.match_info['name']}"
        if repository not in self.files:
            raise _error(404)
        entries = [
            {"type": "file", "path": path, "size": len(data), "oid": "0" * 40,
             "lfs": {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}}
            for path, data in sorted(self.files[repository].items())
            if path.rpartition("/")[0] == request.match_info.get("folder", "")
        ]  # fmt: skip
        page = int(request.query.get("cursor", 0))
        headers = {}
        if page + 1 < len(entries):
            headers["Link"] = f'<{self.url}{request.path}?cursor={page + 1}>; rel="next"'
        return web.json_response(entries[page : page + 1], headers=headers)

    async def _resolve(self, request):
        self._check(request)
        info = request.match_info
        raise web.HTTPFound(f"{self.cdn}/{info['owner']}/{info['name']}/{info['path']}?signature=abc")

    async def _content(self, request):
        owner, name, path = request.match_info["path"].split("/", 2)
        self.authorizations.append(request.headers.get("Authorization"))
        data = self.files[f"{owner}/{name}"][path]
        return await self._send(request, b"x" * len(data) if self.lie else data)

    async def _index(self, request):
        files = self.wheels.get(request.match_info["package"])
        if files is None:
            raise _error(404)
        if self.html_index:
            links = "".join(
                f'<a href="../../packages/{name}#sha256={hashlib.sha256(data).hexdigest()}">{name}</a><br>'
                for name, data in files.items()
            )
            return web.Response(text=f"<!doctype html><body>{links}</body>", content_type="text/html")
        rows = [
            {"filename": name, "url": f"/packages/{name}", "size": len(data),
             "hashes": {"sha256": hashlib.sha256(data).hexdigest()}}
            for name, data in files.items()
        ]  # fmt: skip
        body = json.dumps({"meta": {"api-version": "1.1"}, "files": rows})
        return web.Response(text=body, content_type="application/vnd.pypi.simple.v1+json")

    async def _wheel(self, request):
        name = request.match_info["file"]
        return await self._send(request, next(files[name] for files in self.wheels.values() if name in files))

    async def _send(self, request, data):
        """The bytes, or the part that was asked for; cut after some of them when a fault says so."""
        etag = f'"{hashlib.md5(data).hexdigest()}"'
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, tuple):
            raise _error(fault[0], {"Retry-After": fault[1]})
        start = 0
        asked = request.headers.get("Range")
        self.ranges.append(asked)
        if asked and not self.ignore_range and request.headers.get("If-Range", etag) == etag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        headers = {"ETag": etag, "Content-Length": str(len(data) - start)}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        await response.prepare(request)
        body = data[start:]
        await response.write(body if fault is None else body[:fault])
        if fault is not None:
            if self.before_cut is not None:
                await self.before_cut(start + fault)
            request.transport.close()
        return response


def _error(status, headers=None):
    error = web.HTTPException.__new__(type("Status", (web.HTTPException,), {"status_code": status}))
    error.__init__(headers=headers)
    return error
