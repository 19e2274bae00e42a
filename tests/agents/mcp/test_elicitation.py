"""The questions of servers as they are shown: what a form can have and nothing else, with warnings."""

import pytest

from guru.agents.mcp.client.elicitation import MOST_FIELDS, is_safe, read_question
from guru.agents.mcp.forms import problems, with_defaults
from guru.agents.mcp.protocol import McpError


def asked(**fields):
    return {"message": "Who?", "requestedSchema": {"type": "object", "properties": fields}}


def question(params):
    return read_question("tracker", params, seconds=60)


def test_every_kind_of_field_is_kept_in_one_shape():
    titled = [{"const": "a", "title": "A"}, {"const": "b", "title": "B"}]
    found = question(asked(
        one={"type": "string", "enum": ["a", "b"]}, two={"type": "string", "oneOf": titled},
        three={"type": "string", "enum": ["a", "b"], "enumNames": ["A", "B"], "default": "b"},
        four={"type": "array", "items": {"type": "string", "enum": ["a"]}, "maxItems": 1, "default": ["a"]},
        five={"type": "array", "items": {"anyOf": titled}, "default": "a"}, six={"type": "boolean", "default": True},
        seven={"type": "number", "minimum": 1, "maximum": "many", "default": "x"},
        eight={"type": "string", "format": "email", "pattern": "(a+)+$", "x-more": 1}, nine={"description": "Any"},
    ))  # fmt: skip
    assert found.schema == {
        "type": "object",
        "required": [],
        "properties": {
            "one": {"type": "string", "oneOf": [{"const": "a", "title": "a"}, {"const": "b", "title": "b"}]},
            "two": {"type": "string", "oneOf": titled}, "three": {"type": "string", "oneOf": titled, "default": "b"},
            "four": {
                "type": "array", "maxItems": 1, "default": ["a"],
                "items": {"type": "string", "anyOf": [{"const": "a", "title": "a"}]},
            },
            "five": {"type": "array", "items": {"type": "string", "anyOf": titled}},
            "six": {"type": "boolean", "default": True}, "seven": {"type": "number", "minimum": 1},
            "eight": {"type": "string", "format": "email"}, "nine": {"type": "string", "description": "Any"},
        },
    }  # fmt: skip
    right = {"one": "a", "four": ["a"], "seven": 1.5, "eight": "ann@a.example"}
    assert problems(found.schema, with_defaults(found.schema, right)) == []
    wrong = {"one": "c", "four": ["a", "a"], "five": ["c"], "six": "yes", "seven": 0, "eight": "ann", "nine": 9}
    assert len(problems(found.schema, wrong)) == len(wrong)


@pytest.mark.parametrize("params", [
    {"message": "?", "requestedSchema": 7}, {"message": "?"}, {"message": "x" * 30_000, "requestedSchema": {}},
    asked(a={"type": "object", "properties": {}}), asked(a={"type": "array"}), asked(a=[]),
    asked(a={"type": "array", "items": {"type": "string"}}), asked(a={"type": "string", "enum": []}),
    asked(a={"type": "string", "enum": [1, 2]}), asked(a={"type": "string", "oneOf": ["x"]}),
    asked(**{"a\u200b": {"type": "string"}}), asked(**{"": {"type": "string"}}),
    asked(a={"type": "string", "title": "x" * 30_000}),
    asked(**{f"f{number}": {"type": "string"} for number in range(MOST_FIELDS + 1)}),
    {"message": "?", "requestedSchema": {"properties": {}, "required": ["a"]}},
    {"message": "?", "requestedSchema": {"properties": [], "required": []}},
])  # fmt: skip
def test_what_is_no_flat_form_is_refused(params):
    with pytest.raises(McpError, match="cannot be asked"):
        question(params)


def test_nothing_hidden_and_warned_of_secrets():
    found = question({"message": "Hi\u202e\u200b", "requestedSchema": {}})
    assert found.message == "Hi<U+202E><U+200B>" and "has hidden characters" in found.warnings[0]
    assert question(asked(name={"type": "string"})).warnings == []
    for secret in ({"password": {"type": "string"}}, {"x": {"type": "string", "title": "Your API key"}}):
        assert "a secret" in question(asked(**secret)).warnings[0]
    spoofed = question({"mode": "url", "message": "Log in", "url": "https://xn--ggle-0nda.example/"})
    assert "letters that may look like others" in spoofed.warnings[0]


@pytest.mark.parametrize(("url", "safe"), [
    ("https://a.example/in?x=1", True), ("https://a.example:8443/", True), ("http://a.example/", False),
    ("https://bank.example@evil.example/", False), ("https:///x", False), ("javascript:alert(1)", False),
    ("https://b\u00e4nk.example/", False), ("https://a.example/\n", False), ("https://a.example/ x", False),
    ("https://a.example\\@evil.example", False), ("https://a.example:port/", False), ("file:///etc/passwd", False),
    ("https://a.example/" + "x" * 5000, False), ("HTTPS://A.example", True),
])  # fmt: skip
def test_an_address_says_whose_it_is(url, safe):
    assert is_safe(url) is safe
    assert (question({"mode": "url", "message": "Log in", "url": url}) is not None) is safe


@pytest.mark.parametrize(("format", "right", "wrong"), [
    ("email", "ann@a.example", "ann@"), ("uri", "https://a.example/x", "a b"), ("uri", "urn:isbn:1", "x"),
    ("date", "2026-02-28", "2026-02-30"), ("date", "2026-02-28", "20260228"),
    ("date-time", "2026-02-28T12:00:00Z", "2026-02-28"),
])  # fmt: skip
def test_formats(format, right, wrong):
    schema = {"properties": {"a": {"type": "string", "format": format}}}
    assert problems(schema, {"a": right}) == [] and problems(schema, {"a": wrong}) == [f"'a' is no {format}."]
