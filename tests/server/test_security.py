"""Who is addressed, from where, and how much may be sent."""

import asyncio
import io
import json

import pytest

from guru.config import ServerSettings, Settings
from scripted import run_server

NEW = {"name": "notes"}


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.nip.io:8080", "", "localhost.evil.example", "[::2]:80"])
async def test_a_rebound_name_is_refused(server, host):
    status, body = await server.get("/api/v1/collections", headers={"host": host})
    assert status == 403
    assert "allowed_hosts" in body["error"]["hint"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1", "[::1]:8080"])
async def test_loopback_names_are_served(server, host):
    assert (await server.get("/healthz", headers={"host": host}))[0] == 200


async def test_a_configured_name_is_served(tmp_path):
    settings = Settings(server=ServerSettings(allowed_hosts=["guru.example"]))
    async with run_server(tmp_path, settings) as server:
        assert (await server.get("/healthz", headers={"host": "guru.example:443"}))[0] == 200
        headers = {"host": "guru.example", "origin": "https://guru.example"}
        assert (await server.post("/api/v1/collections", NEW, headers=headers))[0] == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": "http://localhost:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_a_page_of_another_site_changes_nothing(server, headers):
    status, body = await server.post("/api/v1/collections", NEW, headers=headers)
    assert (status, body["error"]["code"]) == (403, "forbidden")
    assert (await server.get("/api/v1/collections"))[1] == {"collections": []}


async def test_our_own_pages_may_change_things(server):
    headers = {"origin": server.url, "sec-fetch-site": "same-origin"}
    assert (await server.post("/api/v1/collections", NEW, headers=headers))[0] == 201


async def test_refusals_under_v1_have_openais_shape(server):
    _, body = await server.get("/v1/models", headers={"host": "evil.example"})
    assert set(body["error"]) == {"message", "type", "param", "code"}


async def test_every_answer_carries_the_security_headers(server):
    for path in ("/healthz", "/", "/nothing", "/v1/models"):
        async with server.session.get(server.url + path) as response:
            assert response.headers["x-content-type-options"] == "nosniff"
            assert "default-src 'self'" in response.headers["content-security-policy"]
            assert "frame-ancestors" in response.headers["content-security-policy"]
            assert response.headers["x-request-id"].startswith("tr_")
            assert "server" not in response.headers


async def test_a_body_that_is_announced_too_large_is_refused_unread(tmp_path):
    async with run_server(tmp_path, Settings(server=ServerSettings(max_body_mb=1))) as server:
        status, body = await server.request("POST", "/v1/chat/completions", data=io.BytesIO(bytes((1 << 20) + 1)))
        assert (status, body["error"]["code"]) == (413, "too_large")


async def test_a_body_that_grows_too_large_is_cut_off(tmp_path):
    async def endless():
        for _ in range(64):
            yield b"x" * (1 << 16)

    async with run_server(tmp_path, Settings(server=ServerSettings(max_body_mb=1))) as server:
        status, body = await server.request("POST", "/v1/chat/completions", data=endless())
        assert (status, body["error"]["code"]) == (413, "too_large")
        assert (await server.get("/healthz"))[0] == 200


async def test_a_client_that_leaves_in_the_middle_of_its_body_costs_nothing(server):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
    writer.write(b"POST /api/v1/collections HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert json.dumps((await server.get("/healthz"))[1]) == '{"status": "ok"}'
    assert reader is not None
