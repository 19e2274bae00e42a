"""The document says what the routes do."""

import re

from starlette.routing import Route, WebSocketRoute

from guru.config import Settings
from guru.server.app import DOORS, create_app
from guru.server.openapi import describe
from guru.server.pages import routes as pages


def test_every_route_is_described(tmp_path):
    document = describe(DOORS)
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    shown = {route.path for route in pages()}
    for route in create_app(tmp_path, Settings()).routes:
        if route.path in shown or isinstance(route, WebSocketRoute):  # OpenAPI has no sockets
            continue
        assert isinstance(route, Route)
        path = re.sub(r"{(\w+):\w+}", r"{\1}", route.path)
        for method in route.methods - {"HEAD"}:
            assert (method, path) in described


def test_every_operation_says_what_it_takes_and_gives():
    document = describe(DOORS)
    schemas = document["components"]["schemas"]
    names = set()
    for path, methods in document["paths"].items():
        for operation in methods.values():
            names.add(operation["operationId"])
            assert operation["summary"].endswith(".") or operation["summary"].endswith(":"), path
            assert {p["name"] for p in operation["parameters"] if p["in"] == "path"} == set(
                re.findall(r"{(\w+)}", path)
            )
    assert len(names) == sum(map(len, document["paths"].values()))
    for reference in set(re.findall(r"#/components/schemas/([\w.]+)", str(document))):
        assert reference in schemas


async def test_the_document_and_its_page_are_served(server):
    status, document = await server.get("/openapi.json")
    assert (status, document["openapi"]) == (200, "3.1.0")
    status, page = await server.get("/docs")
    assert status == 200
    assert b"docs.js" in page
