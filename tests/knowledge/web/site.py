"""A real web site on a loopback port, and what it was asked."""

import contextlib
import email.utils
import hashlib
import time

from aiohttp import web


class Site:
    """Serves `pages` (path to a body, or a function of the request) with ETags, and writes down who asked for what."""

    def __init__(self):
        self.pages = {}
        self.modified = {}
        self.asked = []
        self.times = []
        self.agents = set()
        self.busy = self.most = 0

    @property
    def paths(self):
        """What was asked for, without robots.txt."""
        return [path for path, _ in self.asked if path != "/robots.txt"]

    async def answer(self, request):
        self.asked.append((request.path_qs, {name.lower(): value for name, value in request.headers.items()}))
        self.times.append(time.monotonic())
        self.agents.add(request.headers.get("user-agent"))
        self.busy += 1
        self.most = max(self.most, self.busy)
        try:
            return await self.respond(request)
        finally:
            self.busy -= 1

    async def respond(self, request):
        page = self.pages.get(request.path_qs)
        if callable(page):
            return await page(request)
        if page is None:
            return web.Response(status=404, text="nothing here")
        body = page.encode() if isinstance(page, str) else page
        headers = {"etag": f'"{hashlib.sha256(body).hexdigest()[:12]}"'}
        if request.path in self.modified:
            headers = {"last-modified": email.utils.formatdate(self.modified[request.path], usegmt=True)}
        seen = (request.headers.get("if-none-match"), request.headers.get("if-modified-since"))
        if set(headers.values()) & set(seen):
            return web.Response(status=304, headers=headers)
        kind = "application/pdf" if body.startswith(b"%PDF") else "application/xml" if "xml" in request.path else None
        return web.Response(body=body, headers=headers, content_type=kind or "text/html")


@contextlib.asynccontextmanager
async def serving_site():
    site = Site()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", site.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0)
    await listener.start()
    port = listener._server.sockets[0].getsockname()[1]
    site.host, site.url = f"127.0.0.1:{port}", f"http://127.0.0.1:{port}"
    try:
        yield site
    finally:
        await runner.cleanup()


def page(title, text, head=""):
    return f"<!doctype html><html lang=en><head><title>{title}</title>{head}</head><body><p>{text}</p></body></html>"


def sitemap(*urls, index=False):
    outer, inner = ("sitemapindex", "sitemap") if index else ("urlset", "url")
    entries = "".join(f"<{inner}><loc>{url}</loc><lastmod>2024-05-06</lastmod></{inner}>" for url in urls)
    namespace = "http://www.sitemaps.org/schemas/sitemap/0.9"
    return f'<?xml version="1.0" encoding="UTF-8"?><{outer} xmlns="{namespace}">{entries}</{outer}>'
