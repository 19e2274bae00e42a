"""Services that an OpenAPI document describes, asked over HTTP by a server that shows what came."""

import json

import pytest

from agents.tools.boxes import CONTEXT
from agents.tools.builtin.web import network, serving
from guru.agents.tools.builtin.openapi.tool import openapi_tools
from guru.agents.tools.toolbox import Toolbox
from guru.config import OpenApiToolSettings
from guru.errors import ConfigurationError

PETS = {
    "openapi": "3.1.0",
    "info": {"title": "Pets", "version": "1"},
    "servers": [{"url": "https://{where}.example/v1", "variables": {"where": {"default": "pets"}}}],
    "paths": {
        "/pets": {
            "parameters": [{"$ref": "#/components/parameters/Trace"}],
            "get": {
                "operationId": "listPets",
                "summary": "List pets.",
                "parameters": [
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 9}},
                    {"name": "tags", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                    {"name": "ids", "in": "query", "explode": False,
                     "schema": {"type": "array", "items": {"type": "integer"}}},
                    {"name": "filter", "in": "query", "style": "deepObject", "schema": {"type": "object"}},
                    {"name": "fresh", "in": "query", "schema": {"type": "boolean"}},
                    {"name": "session", "in": "cookie", "schema": {"type": "string"}},
                    {"name": "Authorization", "in": "header", "schema": {"type": "string"}},
                ],
            },
            "post": {
                "operationId": "createPet",
                "description": "Make a pet.",
                "requestBody": {"required": True, "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
            },
        },
        "/pets/{petId}": {
            "get": {"operationId": "showPet", "parameters": [
                {"name": "petId", "in": "path", "required": True, "schema": {"type": "string"}},
                {"name": "petId", "in": "query", "schema": {"type": "string"}},
            ]},
            "delete": {"parameters": [{"name": "petId", "in": "path", "required": True, "schema": {"type": "string"}}]},
        },
        "/pets/{petId}/photo": {
            "put": {"operationId": "putPhoto", "requestBody": {"content": {"image/png": {}}}},
        },
        "/login": {
            "post": {"operationId": "logIn", "requestBody": {"content": {"application/x-www-form-urlencoded": {
                "schema": {"type": "object", "properties": {"name": {"type": "string"}}}}}}},
        },
        "/broken": {"get": {"operationId": "broken", "parameters": [{"$ref": "#/components/parameters/Nowhere"}]}},
        "/away": {"get": {"operationId": "away", "parameters": [{"$ref": "other.json#/x"}]}},
    },
    "components": {
        "parameters": {"Trace": {"name": "X-Trace", "in": "header", "schema": {"type": "string"}}},
        "schemas": {
            "Pet": {
                "type": "object", "required": ["name"],
                "properties": {"name": {"type": "string", "example": "Rex"},
                               "parent": {"$ref": "#/components/schemas/Pet"}},
            },
        },
    },
}  # fmt: skip


@pytest.fixture
async def service():
    async with serving() as answers:
        yield answers


@pytest.fixture
async def net():
    async with network() as made:
        yield made


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "pets.json"
    path.write_text(json.dumps(PETS), encoding="utf-8")
    return path


async def make(document, net, url=None, **settings):
    wanted = OpenApiToolSettings(document=str(document), url=url, private=True, **settings)
    return Toolbox(await openapi_tools("pets", wanted, net))


async def ask(box, service, name, path, answer=None, **arguments):
    """What the service was asked, and what came of it."""
    service.say(path, {"ok": True} if answer is None else answer)
    service.asked.clear()
    result = await box.call(f"pets_{name}", arguments, CONTEXT)
    return (service.asked or [None])[0], result


async def test_every_operation_that_can_be_called_is_a_tool(document, net, caplog):
    box = await make(document, net)
    assert [spec.name for spec in box.specs] == [
        "pets_listPets", "pets_createPet", "pets_showPet", "pets_delete_pets_petId", "pets_logIn",
    ]  # fmt: skip
    for left_out in ("PUT /pets/{petId}/photo takes a body of image/png", "GET /broken", "GET /away"):
        assert left_out in caplog.text


async def test_what_changes_something_waits_for_a_person(document, net):
    def told(box):
        return {spec.name: (spec.effect, spec.approval, spec.repeatable) for spec in box.specs}

    found = told(await make(document, net))
    assert found["pets_listPets"] == ("read", False, True)
    assert found["pets_createPet"] == ("write", True, False)
    assert found["pets_delete_pets_petId"] == ("write", True, True)
    assert told(await make(document, net, approve="all"))["pets_listPets"][1]
    assert not told(await make(document, net, approve="none"))["pets_createPet"][1]


async def test_parameters_are_sent_as_the_document_has_them(document, net, service):
    box = await make(document, net, service.url)
    asked, result = await ask(
        box, service, "listPets", "/pets", limit=3, tags=["a b", "c"], ids=[1, 2], filter={"age": 3, "kind": "cat"},
        fresh=True, session="s 1", **{"X-Trace": "t"},
    )  # fmt: skip
    method, path, headers, body = asked
    assert (method, body) == ("GET", b"")
    assert path == "/pets?limit=3&tags=a%20b&tags=c&ids=1,2&filter[age]=3&filter[kind]=cat&fresh=true"
    assert headers["x-trace"] == "t" and headers["cookie"] == "session=s%201"
    assert result.data == {"ok": True}


async def test_bodies_are_sent_as_json_or_as_a_form(document, net, service):
    box = await make(document, net, service.url)
    asked, _ = await ask(box, service, "createPet", "/pets", body={"name": "Rex", "parent": {"name": "Bo"}})
    assert (asked[2]["content-type"], json.loads(asked[3])) == (
        "application/json", {"name": "Rex", "parent": {"name": "Bo"}})  # fmt: skip
    asked, _ = await ask(box, service, "logIn", "/login", body={"name": "a b", "more": [1, 2]})
    assert asked[3] == b"name=a+b&more=1&more=2"


async def test_arguments_are_held_to_the_schemas_of_the_document(document, net, service):
    box = await make(document, net, service.url)
    for name, arguments, told in (
        ("listPets", {"limit": 10}, "greater than the maximum of 9"),
        ("createPet", {}, '"body" is a required property'),
        ("createPet", {"body": {"name": "Rex", "parent": {}}}, '`body.parent`: "name" is a required property'),
        ("listPets", {"Authorization": "mine"}, "'Authorization' was unexpected"),
        ("showPet", {}, '"petId" is a required property'),
    ):
        asked, result = await ask(box, service, name, "/pets", **arguments)
        assert asked is None and told in result.text


@pytest.mark.parametrize("value", ["..", ".", "", "../admin", "a/b", "a?b=c", "a#b", "%2e%2e", "a\r\nb: c", "é"])
async def test_a_value_stays_within_its_place_in_the_path(document, net, service, value):
    box = await make(document, net, service.url)
    asked, result = await ask(box, service, "showPet", "/pets/x", petId=value)
    if asked is None:
        assert result.failed
    else:
        assert asked[1].startswith("/pets/") and asked[1].count("/") == 2 and "?" not in asked[1]


async def test_two_parameters_of_one_name_are_told_apart(document, net, service):
    box = await make(document, net, service.url)
    asked, _ = await ask(box, service, "showPet", "/pets/7", petId="7", petId_query="8")
    assert asked[1] == "/pets/7?petId=8"


async def test_the_keys_of_the_configuration_are_sent_and_nothing_replaces_them(document, net, service):
    box = await make(document, net, service.url, headers={"X-Trace": "ours"}, query={"limit": "1", "key": "k-1"})
    asked, _ = await ask(box, service, "listPets", "/pets", limit=9, **{"X-Trace": "theirs"})
    assert asked[1] == "/pets?limit=1&key=k-1" and asked[2]["x-trace"] == "ours"


async def test_answers_are_told_with_their_status(document, net, service):
    box = await make(document, net, service.url, max_kb=1)
    service.say("/pets", {"error": "no such tag"}, 422)
    result = await box.call("pets_listPets", {}, CONTEXT)
    assert (result.failed, result.data) == (True, {"error": "no such tag"})
    assert result.text.startswith("The service answered with status 422.\n")
    service.say("/pets", "", 302, location="http://elsewhere.example/")
    assert "status 302, to http://elsewhere.example/" in (await box.call("pets_listPets", {}, CONTEXT)).text
    service.say("/pets", "x" * 5000, content_type="text/plain")
    result = await box.call("pets_listPets", {}, CONTEXT)
    assert result.text.endswith("[The answer is longer; it was cut here.]") and len(result.text) < 1200
    service.say("/pets", b"\x89PNG", content_type="image/png")
    assert (await box.call("pets_listPets", {}, CONTEXT)).text == "4 bytes of image/png."
    service.say("/pets", b"", 204)
    assert (await box.call("pets_listPets", {}, CONTEXT)).text == "Done (status 204)."


async def test_a_service_at_a_private_address_is_asked_only_where_that_is_configured(document, net, service):
    settings = OpenApiToolSettings(document=str(document), url=service.url)
    result = await Toolbox(await openapi_tools("pets", settings, net)).call("pets_listPets", {}, CONTEXT)
    assert result.failed and not service.asked


async def test_a_document_is_read_from_an_address_and_its_server_is_relative_to_that(net, service):
    service.say("/api/openapi.json", PETS | {"servers": [{"url": "v2"}]})
    box = await make(f"{service.url}/api/openapi.json", net)
    asked, _ = await ask(box, service, "listPets", "/api/v2/pets")
    assert asked[1] == "/api/v2/pets"
    service.say("/away", "", 302, location="/api/openapi.json")
    for path in ("/none", "/away"):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            await make(service.url + path, net)


async def test_only_some_operations_are_offered(document, net, caplog):
    assert [spec.name for spec in (await make(document, net, operations=["showPet"])).specs] == ["pets_showPet"]
    assert len(await make(document, net, max_operations=2)) == 2
    assert "3 of 5 operations are left out" in caplog.text
    with pytest.raises(ConfigurationError, match="no operation nothing"):
        await make(document, net, operations=["nothing"])


OLD = """
openapi: 3.0.3
info: {title: Old, version: "1"}
servers: [{url: "http://127.0.0.1"}]
paths:
  /things:
    get:
      operationId: get.things/all
      parameters:
        - {name: age, in: query, schema: {type: integer, nullable: true, minimum: 3, exclusiveMinimum: true}}
        - {name: kind, in: query, schema: {type: string, nullable: true, enum: [a, b]}}
      responses: {200: {description: fine}}
"""


async def test_yaml_and_version_3_0_are_read(tmp_path, net):
    path = tmp_path / "old.yaml"
    path.write_text(OLD, encoding="utf-8")
    (spec,) = (await make(path, net)).specs
    assert spec.name == "pets_get_things_all"
    assert spec.parameters["properties"] == {
        "age": {"type": ["integer", "null"], "exclusiveMinimum": 3},
        "kind": {"type": ["string", "null"], "enum": ["a", "b", None]},
    }


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "3", '{"openapi": "2.0"}', '{"swagger": "2.0"}', "a: [", "\0",
     "!!python/object/apply:os.system ['id']", "[" * 100_000],
)  # fmt: skip
async def test_what_is_no_document_is_refused(tmp_path, net, content):
    path = tmp_path / "x.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError):
        await make(path, net)


async def test_a_document_that_is_not_there_or_does_not_say_where_is_refused(tmp_path, net):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        await make(tmp_path / "none.json", net)
    path = tmp_path / "x.json"
    path.write_text('{"openapi": "3.1.0", "paths": {}}', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="does not say where"):
        await make(path, net)


async def test_odd_operations_are_left_out_and_told(tmp_path, net, caplog):
    paths = {"/a": {"get": {"parameters": [3]}}, "/b": {"get": {"parameters": [{"name": "x", "in": "body"}]}},
             "/c": {"get": {"requestBody": {"$ref": "#/nowhere"}}}, "/d": {"get": {"operationId": "fine"}}}  # fmt: skip
    ring = {"/e": {"get": {"parameters": [{"$ref": "#/paths/~1e/get/parameters/0"}]}}}
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"openapi": "3.1.0", "paths": paths | ring}), encoding="utf-8")
    box = await make(path, net, "http://127.0.0.1")
    assert [spec.name for spec in box.specs] == ["pets_fine"]
    assert caplog.text.count("cannot be read") == 4
