"""Vertex AI: Gemini's answers behind Google's credentials, which a server of tokens on this machine gives out."""

import asyncio
import base64
import dataclasses
import json
import sys
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from guru.config import ProviderSettings
from guru.errors import ConfigurationError, ModelUnavailable, ProviderRefused
from guru.models import providers
from guru.models.providers.vertex import Vertex
from guru.types import FunctionCall, Message, ToolCall
from models.providers import test_gemini as gemini
from models.providers.conformance import KEY, Conformance, ask, hear
from models.providers.replay import answer, replaying

PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = PRIVATE.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
TOKEN = "ya29.a-token-of-an-hour"
ACCOUNT = "guru@acme-1.iam.gserviceaccount.com"
ADDRESS = "https://europe-west4-aiplatform.googleapis.com"


def grant(token=TOKEN, seconds=3600):
    return answer({"access_token": token, "expires_in": seconds, "token_type": "Bearer"})


def decoded(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@pytest.fixture(autouse=True)
async def tokens(monkeypatch, tmp_path):
    """The server of tokens, and a service account that knows it: none of this machine's credentials."""
    async with replaying() as server:
        server.say(grant())
        account = {
            "type": "service_account", "project_id": "acme-1", "private_key_id": "k1", "private_key": PEM,
            "client_email": ACCOUNT, "token_uri": f"{server.url}/token",
        }  # fmt: skip
        (tmp_path / "account.json").write_text(json.dumps(account))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
        monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
        monkeypatch.setenv("NO_GCE_CHECK", "true")
        yield server


class TestVertex(Conformance):
    kind = "vertex"
    model = "gemini-2.5-flash"
    base_path = "/v1/projects/acme-1/locations/europe-west4/publishers/google"
    settings = {"project": "acme-1", "region": "europe-west4"}
    exchanges = gemini.EXCHANGES
    errors = gemini.ERRORS
    stream_errors = gemini.STREAM_ERRORS

    def check_credentials(self, sent):
        assert sent.headers["authorization"] == f"Bearer {TOKEN}"
        assert "x-goog-api-key" not in sent.headers

    def check_request(self, case, sent):
        gemini.TestGemini.check_request(self, case, sent)

    async def test_secrets_are_not_repeated(self, server, http):
        provider = self.make(server, http)
        server.say(gemini.error(401, f"The token {TOKEN} is wrong.", "UNAUTHENTICATED"))
        with pytest.raises(ProviderRefused) as caught:
            await hear(provider.chat_model(self.model), ask())
        assert TOKEN not in str(caught.value)
        assert "***" in caught.value.message
        assert TOKEN not in repr(provider)

    # ------------------------------------------------------------------- credentials

    async def test_the_account_asks_for_its_token_with_its_signature(self, server, chat, tokens):
        server.say(self.exchanges["text"].whole)
        await hear(chat, ask())
        (asked,) = tokens.requests
        form = parse_qs(asked.body.decode())
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        signed, _, signature = form["assertion"][0].rpartition(".")
        PRIVATE.public_key().verify(decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        claims = json.loads(decoded(signed.partition(".")[2]))
        assert (claims["iss"], claims["aud"]) == (ACCOUNT, "https://oauth2.googleapis.com/token")
        assert claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"

    async def test_one_token_serves_many_requests_until_it_ends(self, server, chat, tokens):
        server.say(self.exchanges["text"].whole)
        tokens.say(grant("first"), grant("second", seconds=0), grant("third"))
        await asyncio.gather(*(hear(chat, ask()) for _ in range(5)))
        assert {sent.headers["authorization"] for sent in server.requests} == {"Bearer first"}
        assert len(tokens.requests) == 1

    async def test_a_token_that_has_ended_is_renewed(self, server, chat, tokens):
        server.say(self.exchanges["text"].whole)
        tokens.say(grant("first", seconds=1), grant("second"))
        for _ in range(3):
            await hear(chat, ask())
        # One that ends within minutes counts as ended.
        assert [sent.headers["authorization"] for sent in server.requests] == [
            "Bearer first", "Bearer second", "Bearer second",
        ]  # fmt: skip

    async def test_what_the_server_of_tokens_refuses_is_said(self, server, http, tokens):
        tokens.say(answer({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, 400))
        with pytest.raises(ProviderRefused, match=r"acme.*invalid_grant: Invalid JWT Signature") as caught:
            await hear(self.make(server, http).chat_model(self.model), ask())
        assert "GOOGLE_APPLICATION_CREDENTIALS" in caught.value.hint
        assert server.requests == []
        tokens.say(dataclasses.replace(grant(), end="cut", body=b"{"))
        with pytest.raises(ModelUnavailable, match="acme"):
            await hear(self.make(server, http).chat_model(self.model), ask())

    async def test_without_credentials_it_says_where_to_put_them(self, server, http, monkeypatch):
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
        monkeypatch.setattr("google.auth._default._get_gcloud_sdk_credentials", lambda **_: (None, None))
        with pytest.raises(ProviderRefused, match="acme") as caught:
            await hear(self.make(server, http).chat_model(self.model), ask())
        assert "GOOGLE_APPLICATION_CREDENTIALS" in caught.value.hint

    async def test_a_key_or_an_authorization_is_sent_instead(self, server, http, tokens, monkeypatch):
        monkeypatch.setitem(sys.modules, "google.auth", None)  # which then nobody needs
        server.say(self.exchanges["text"].whole)
        await hear(self.make(server, http, api_key=KEY).chat_model(self.model), ask())
        assert server.last.headers["x-goog-api-key"] == KEY
        assert "authorization" not in server.last.headers
        headers = {"Authorization": "Bearer ya29.fixed"}
        await hear(self.make(server, http, headers=headers).chat_model(self.model), ask())
        assert server.last.headers["authorization"] == "Bearer ya29.fixed"
        assert tokens.requests == []

    def test_without_google_auth_it_says_what_to_install(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "google.auth", None)
        with pytest.raises(ConfigurationError) as caught:
            Vertex("vertex", ProviderSettings(**self.settings), None)
        assert "guru[vertex]" in caught.value.hint

    # ------------------------------------------------------------------- addresses

    @pytest.mark.parametrize(("region", "host"), [
        ("europe-west4", ADDRESS), ("global", "https://aiplatform.googleapis.com"),
    ])  # fmt: skip
    def test_the_address_follows_from_project_and_region(self, region, host):
        provider = Vertex("vertex", ProviderSettings(project="acme-1", region=region), None)
        assert provider.url("gemini-2.5-pro", "generateContent") == (
            f"{host}/v1/projects/acme-1/locations/{region}/publishers/google/models/gemini-2.5-pro:generateContent"
        )

    @pytest.mark.parametrize("missing", ["project", "region"])
    def test_project_and_region_are_needed(self, missing):
        settings = {name: value for name, value in self.settings.items() if name != missing}
        with pytest.raises(ConfigurationError, match=missing):
            providers.create("vertex", ProviderSettings(**settings), None)

    async def test_the_models_are_listed_page_by_page(self, server, http):
        server.say(
            answer({"publisherModels": [{"name": "publishers/google/models/gemini-2.5-pro"}], "nextPageToken": "x"}),
            answer({"publisherModels": [{"name": "publishers/google/models/gemini-3-pro"}]}),
        )
        assert await self.make(server, http).list_models() == ["gemini-2.5-pro", "gemini-3-pro"]
        assert server.last.path == "/v1beta1/publishers/google/models?pageSize=100&pageToken=x"
        assert server.last.headers["x-goog-user-project"] == "acme-1"
        self.check_credentials(server.last)

    async def test_calls_have_no_ids(self, server, chat):
        """Vertex AI answers 400 to them: https://github.com/vercel/ai/issues/15664."""
        server.say(self.exchanges["text"].whole)
        call = ToolCall(id="call_1", function=FunctionCall("f", "{}"))
        await hear(chat, ask(
            Message("user", "Go"), Message("assistant", tool_calls=[call]), Message("tool", "ok", tool_call_id="call_1")
        ))  # fmt: skip
        _, called, result = server.last.json["contents"]
        assert called["parts"] == [{"functionCall": {"name": "f", "args": {}}}]
        assert result["parts"] == [{"functionResponse": {"name": "f", "response": {"output": "ok"}}}]
