"""OAuth, against an authorization server and an MCP server that really check what they are sent."""

import base64
import hashlib
import secrets
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web

from guru.agents.mcp.client.client import McpClient
from guru.agents.mcp.client.host import Host
from guru.agents.mcp.client.oauth import NoGrants, OAuth
from guru.agents.mcp.client.oauth_discovery import covers, is_safe, read_challenge
from guru.agents.mcp.client.streamable import StreamableChannel
from guru.agents.mcp.protocol import MODERN
from guru.cli.mcp_http import SessionHttp
from guru.errors import Forbidden, Unauthorized


class Servers:
    """Both of them, at one address. A test may change what they say."""

    def __init__(self):
        self.clients, self.codes, self.tokens, self.refresh = {}, {}, {}, {}
        self.metadata, self.resource, self.answer = {}, {}, {}
        self.needed = "read"
        self.asked = []

    def routes(self, app):
        app.router.add_get("/.well-known/oauth-protected-resource/mcp", self.show_resource)
        app.router.add_get("/.well-known/oauth-authorization-server", self.show_metadata)
        app.router.add_post("/register", self.register)
        app.router.add_get("/authorize", self.authorize)
        app.router.add_post("/token", self.token)
        app.router.add_post("/mcp", self.mcp)

    async def show_resource(self, request):
        own = {"resource": f"{self.url}/mcp", "authorization_servers": [self.url], "scopes_supported": ["read"]}
        return web.json_response(own | self.resource)

    async def show_metadata(self, request):
        own = {
            "issuer": self.url, "authorization_endpoint": f"{self.url}/authorize",
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint": f"{self.url}/token", "registration_endpoint": f"{self.url}/register",
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }  # fmt: skip
        return web.json_response(own | self.metadata)

    async def register(self, request):
        asked = await request.json()
        name, secret = secrets.token_hex(4), secrets.token_hex(8)
        self.clients[name] = (secret, asked["redirect_uris"])
        return web.json_response({"client_id": name, "client_secret": secret, **asked}, status=201)

    async def authorize(self, request):
        query = request.query
        self.asked.append(dict(query))
        assert query["redirect_uri"] in self.clients[query["client_id"]][1]
        assert query["resource"] == f"{self.url}/mcp" and query["code_challenge_method"] == "S256"
        code = secrets.token_hex(8)
        self.codes[code] = dict(query)
        said = {"code": code, "state": query["state"]} | self.answer
        target = f"{query['redirect_uri']}?{urlencode({key: value for key, value in said.items() if value})}"
        return web.Response(status=302, headers={"location": target})

    async def token(self, request):
        form = await request.post()
        name, _, secret = base64.b64decode(request.headers["authorization"].split()[1]).decode().partition(":")
        assert self.clients[name][0] == secret and form["resource"] == f"{self.url}/mcp"
        if form["grant_type"] == "refresh_token":
            scope = self.refresh.pop(form["refresh_token"], None)
            if scope is None:
                return web.json_response({"error": "invalid_grant"}, status=400)
        else:
            asked = self.codes.pop(form["code"])
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == asked["code_challenge"]
            scope = asked.get("scope", "")
        token, refresh = secrets.token_hex(8), secrets.token_hex(8)
        self.tokens[token], self.refresh[refresh] = scope, scope
        given = {"access_token": token, "token_type": "Bearer", "expires_in": 3600, "refresh_token": refresh}
        return web.json_response(given)

    async def mcp(self, request):
        where = f'resource_metadata="{self.url}/.well-known/oauth-protected-resource/mcp"'
        scope = self.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if scope is None:
            return web.Response(status=401, headers={"www-authenticate": f"Bearer {where}"})
        if self.needed not in scope.split():
            said = f'Bearer error="insufficient_scope", scope="{self.needed}", {where}'
            return web.Response(status=403, headers={"www-authenticate": said})
        message = await request.json()
        result = {"supportedVersions": [MODERN], "capabilities": {}, "tools": []}
        return web.json_response({"jsonrpc": "2.0", "id": message["id"], "result": result})


class Browser:
    redirect_uri = "http://127.0.0.1:9/callback"

    def __init__(self, session):
        self.session, self.asked = session, 0

    async def ask(self, url):
        self.asked += 1
        async with self.session.get(url, allow_redirects=False) as answer:
            return answer.headers["location"]


class World:
    def __init__(self, servers, session):
        self.servers, self.session = servers, session
        self.grants, self.browser = NoGrants(), Browser(session)

    async def list(self, consent=True, **options):
        http, url = SessionHttp(self.session), f"{self.servers.url}/mcp"
        oauth = OAuth(http, url, self.grants, consent=self.browser if consent else None, **options)
        await oauth.open()
        client = McpClient(StreamableChannel(http, url, {}, authorization=oauth, idle=10), Host("s"), timeout=10)
        try:
            await client.connect()
            return await client.tools()
        finally:
            await client.aclose()


@pytest.fixture
async def world():
    servers, app = Servers(), web.Application()
    servers.routes(app)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    servers.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession() as session:
        yield World(servers, session)
    await runner.cleanup()


async def test_a_person_allows_it_once(world):
    assert await world.list() == []
    assert await world.list() == []
    assert (world.browser.asked, world.servers.asked[0]["scope"]) == (1, "read")
    assert await world.list(consent=False) == []  # the server uses what the command got


async def test_tokens_are_renewed_and_asked_for_anew_when_that_has_ended(world):
    await world.list()
    world.servers.tokens.clear()
    assert await world.list(consent=False) == []
    assert world.browser.asked == 1
    world.servers.tokens.clear()
    world.servers.refresh.clear()
    with pytest.raises(Unauthorized, match="guru mcp login"):
        await world.list(consent=False)
    assert await world.list() == []
    assert world.browser.asked == 2


async def test_more_is_asked_for_when_more_is_needed_and_not_forever(world):
    await world.list()
    world.servers.needed = "write"
    assert await world.list() == []
    assert world.servers.asked[-1]["scope"] == "read write"
    world.servers.needed = "delete"
    for token in world.servers.tokens:
        world.servers.tokens[token] = "read"
    world.grants.grant.requested.append("delete")
    asked = world.browser.asked
    with pytest.raises(Unauthorized):
        await world.list()
    assert world.browser.asked == asked


async def test_without_anybody_there_nothing_is_asked(world):
    with pytest.raises(Unauthorized):
        await world.list(consent=False)


@pytest.mark.parametrize(
    "answer",
    [{"state": "another"}, {"state": ""}, {"iss": "https://evil.example"}, {"code": "", "error": "access_denied"}],
)
async def test_an_answer_to_another_question_is_refused(world, answer):
    world.servers.answer = answer
    with pytest.raises(Forbidden):
        await world.list()
    assert world.grants.grant is None


async def test_an_issuer_that_promised_to_name_itself_must(world):
    world.servers.metadata = {"authorization_response_iss_parameter_supported": True}
    with pytest.raises(Forbidden, match="another authorization server"):
        await world.list()
    world.servers.answer = {"iss": world.servers.url}
    assert await world.list() == []


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"}, {"code_challenge_methods_supported": ["plain"]},
        {"authorization_endpoint": "http://evil.example/authorize"}, {"token_endpoint": "file:///token"},
    ],
)  # fmt: skip
async def test_metadata_that_leads_astray_is_refused(world, metadata):
    world.servers.metadata = metadata
    with pytest.raises(Forbidden):
        await world.list()


@pytest.mark.parametrize(
    "resource",
    [{"resource": "https://evil.example/mcp"}, {"authorization_servers": ["http://evil.example"]}, {"resource": 3}],
)
async def test_a_resource_that_is_another_is_refused(world, resource):
    world.servers.resource = resource
    with pytest.raises(Forbidden):
        await world.list()


async def test_credentials_of_one_issuer_are_shown_to_no_other(world):
    await world.list()
    world.grants.grant.issuer = "https://old.example"
    before = world.grants.grant.client_id
    world.servers.tokens.clear()
    assert await world.list() == []
    assert world.grants.grant.client_id != before and world.grants.grant.issuer == world.servers.url


def test_a_challenge_is_read_however_it_is_written():
    said = read_challenge('Bearer error="insufficient_scope",scope="a b",  resource_metadata=https://x/y')
    assert (said.metadata_url, said.scope, said.error) == ("https://x/y", "a b", "insufficient_scope")
    assert read_challenge("Basic").scope is None


def test_addresses():
    mine = "https://a.example/mcp"
    assert covers("https://a.example/", mine) and covers(mine, mine)
    others = ("https://a.example/mc", "https://b.example/", "http://a.example/", "https://a.example:8/", 3, "https://[")
    assert not any(covers(other, mine) for other in others)
    assert is_safe("https://x") and is_safe("http://localhost:3")
    assert not is_safe("http://x") and not is_safe("ftp://x")
