"""Paths, templates, functions and conditions: what they mean, and that nothing else gets through."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.agents.workflows.asl import literal
from guru.agents.workflows.conditions import holds, parse_condition, wildcard
from guru.agents.workflows.expressions import parse_expression, parse_template, render
from guru.agents.workflows.intrinsics import IntrinsicError
from guru.agents.workflows.paths import BadPath, MissingPath, parse_path, put

ORDER = {
    "order": {"id": 7, "items": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}, {"sku": "c", "n": 3}]},
    "first name": "Ann", "a.b": {"c@d": 5}, "&Ж中": 1, "none": None,
}  # fmt: skip
ROOTS = {"$": ORDER, "$$": {"Execution": {"Id": "run_1"}}, "input": {"n": 3}, "steps": {"look-up": {"output": [1, 2]}}}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", ORDER), ("$.order.id", 7), ("$.order.items[0].sku", "a"), ("$.order.items[-1].sku", "c"),
        ("$['first name']", "Ann"), ('$["first name"]', "Ann"), (r"$.a\.b.c\@d", 5), ("$['a.b']['c@d']", 5),
        ("$.&Ж中", 1), ("$.none", None), ("$.order.items[*].n", [1, 2, 3]), ("$.order.items[0:2].n", [1, 2]),
        ("$.order.items[::2].n", [1, 3]), ("$.order.items[0,2].sku", ["a", "c"]), ("$..sku", ["a", "b", "c"]),
        ("$.order['id','nothing']", [7]), ("$.order.items[9:]", []), ("$..[1].sku", ["b"]),
        ("$$.Execution.Id", "run_1"), ("input.n", 3), ("steps.look-up.output[1]", 2),
    ],
)  # fmt: skip
def test_a_path_finds(path, value):
    assert parse_path(path).find(ROOTS) == value


@pytest.mark.parametrize("path", ["$.nothing", "$.order.items[3]", "$.order.id.x", "$.order[0]", "item.x"])
def test_a_path_that_can_only_mean_one_value_must_find_it(path):
    with pytest.raises(MissingPath):
        parse_path(path).find(ROOTS)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("$.items[?(@.n > 1)]", "a filter"), ("$.items[(@.length-1)]", "a script"), ("$.items.length()", "functions"),
        ("$.", "a name is missing"), ("$[", "`]` is missing"), ("$[abc]", "quotes"), ("$[1:2:0]", "by 1 at least"),
        ("", "no path"), (".a", "no path"), ("$.a b", "not understood"), ("$" + ".a" * 600, "at most"),
    ],
)  # fmt: skip
def test_what_is_no_path_is_refused_by_name(path, why):
    with pytest.raises(BadPath, match=re.escape(why)):
        parse_path(path)


NAMES = st.text(min_size=1, max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def quoted(names):
    escaped = [name.replace("\\", "\\\\").replace("'", "\\'") for name in names]
    return "$" + "".join(f"['{name}']" for name in escaped)


@given(st.dictionaries(NAMES, VALUES, max_size=3), st.lists(NAMES, min_size=1, max_size=4), VALUES)
def test_what_is_put_somewhere_is_found_there_and_nothing_else_changes(document, names, new):
    before = json.dumps(document)
    path = parse_path(quoted(names))
    try:
        changed = put(path, document, new)
    except MissingPath:
        return  # something on the way is no object
    assert path.find({"$": changed}) == new
    assert json.dumps(document) == before
    assert {name: value for name, value in changed.items() if name != names[0]} == {
        name: value for name, value in document.items() if name != names[0]
    }


@given(st.text(max_size=40))
def test_any_text_is_a_path_or_is_refused(text):
    for parse in (parse_path, parse_expression, parse_template):
        try:
            parse(text)
        except BadPath:
            pass


@given(st.text(alphabet="ab{}\"'$. \\", max_size=30))
def test_a_text_that_only_looks_like_a_template_stays_what_it_is(text):
    assert render({"x": literal(text)}, {}) == {"x": text}


@given(VALUES)
def test_an_expression_alone_keeps_the_type_of_its_value(value):
    assert render(["{{ $.v }}", {"w.$": "$.v"}], {"$": {"v": value}}) == [value, {"w": value}]


def test_templates_are_filled_in_at_every_depth():
    payload = {
        "id.$": "$.order.id", "list": ["{{ input.n }}", "n = {{ input.n }}, {{ $.order.items[0] }}"],
        "default": "{{ input.size ?? $.size ?? 'small' }}", "call": "{{ States.MathAdd(input.n, -1) }}",
        "constants": ["{{ true }}", "{{ 1.5 }}", "{{ null }}", "{{ 'a''b' ?? 1 }}"],
    }  # fmt: skip
    with pytest.raises(BadPath):
        render(payload, ROOTS)
    payload["constants"].pop()
    assert render(payload, ROOTS) == {
        "id": 7, "list": [3, 'n = 3, {"sku": "a", "n": 1}'], "default": "small", "call": 2,
        "constants": [True, 1.5, None],
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "{{ __import__('os') }}",
        "{{ $.a + 1 }}",
        "{{ input.n }; }}",
        "{{ States.Nothing() }}",
        "{{ $.a",
        "{{ }}",
        "{{ a() }}",
    ],
)
def test_nothing_is_evaluated_but_paths_constants_and_functions(text):
    with pytest.raises(BadPath):
        render(text, ROOTS)


@pytest.mark.parametrize(
    ("call", "value"),
    [  # the examples of "Intrinsics for JSONPath", AWS Step Functions Developer Guide
        ("States.Format('Hello, my name is {}.', $['first name'])", "Hello, my name is Ann."),
        ("States.Format('{} is {}', $['first name'], $.order.id)", "Ann is 7"),
        (r"States.Format('\{\} {}', 1)", "{} 1"),
        ("States.StringToJson('{\"a\": [1]}')", {"a": [1]}),
        ("States.JsonToString($.a\\.b)", '{"c@d":5}'),
        ("States.Array(1, 'x', $.none)", [1, "x", None]),
        ("States.ArrayPartition(States.ArrayRange(1, 9, 1), 4)", [[1, 2, 3, 4], [5, 6, 7, 8], [9]]),
        ("States.ArrayContains(States.Array(1,2,3), 2)", True),
        ("States.ArrayContains(States.Array(1), true)", False),
        ("States.ArrayRange(1, 9, 2)", [1, 3, 5, 7, 9]),
        ("States.ArrayRange(3, 1, -1)", [3, 2, 1]),
        ("States.ArrayGetItem(States.Array(1,2,3), 1)", 2),
        ("States.ArrayLength($.order.items)", 3),
        ("States.ArrayUnique(States.Array(1,2,3,3,3,1))", [1, 2, 3]),
        ("States.Base64Encode('Data to encode')", "RGF0YSB0byBlbmNvZGU="),
        ("States.Base64Decode('RGVjb2RlZCBkYXRh')", "Decoded data"),
        ("States.Hash('input data', 'SHA-1')", "aaff4a450a104cd177d28d18d74485e8cae074b7"),
        ("States.JsonMerge(States.StringToJson('{\"a\":1,\"b\":2}'), States.StringToJson('{\"b\":3}'), false)",
         {"a": 1, "b": 3}),
        ("States.MathAdd(111, -1)", 110),
        ("States.StringSplit('1,2;3', ',;')", ["1", "2", "3"]),
    ],
)  # fmt: skip
def test_functions_do_what_amazon_says(call, value):
    assert render({"x.$": call}, ROOTS) == {"x": value}


@pytest.mark.parametrize(
    "call",
    ["States.ArrayRange(1, 9000, 1)", "States.ArrayPartition(1, 2)", "States.Format('{}')", "States.MathAdd('a', 1)",
     "States.Hash('a', 'MD4')", "States.StringToJson('{')", "States.JsonMerge($, $, true)"],
)  # fmt: skip
def test_functions_refuse_what_they_do_not_take(call):
    with pytest.raises(IntrinsicError):
        render({"x.$": call}, ROOTS)


def true(rule, value):
    return holds(parse_condition({"variable": "$.v", **rule}), {"$": {"v": value, "w": 5, "t": "2020-01-01T00:00:00Z"}})


def test_comparisons_are_typed():
    assert true({"string_equals": "a"}, "a")
    assert not true({"string_equals": "1"}, 1)
    assert true({"numeric_equals": 1}, 1.0)
    assert not true({"numeric_equals": 1}, True)
    assert not true({"boolean_equals": True}, "true")
    assert true({"numeric_less_than_path": "$.w"}, 4)
    assert true({"timestamp_greater_than_path": "$.t"}, "2020-01-01T01:30:00+01:00")
    assert not true({"timestamp_equals": "2020-01-01T00:00:00Z"}, "2020-01-01 00:00:00Z")
    assert true({"is_null": True}, None)
    assert true({"is_timestamp": False}, "soon")
    assert true({"string_matches": "log-*.txt"}, "log-2020.txt")
    assert true({"string_matches": r"a\*b"}, "a*b") and not true({"string_matches": r"a\*b"}, "axb")


@pytest.mark.parametrize(
    "rule",
    [{"variable": "$.v"}, {"string_equals": "a"}, {"variable": "$.v", "numeric_equals": "1"}, {"and": []}, {"not": 1},
     {"variable": "$.v", "like": 1}, {"variable": "$.v", "string_equals": "a", "is_null": True},
     {"variable": "$.v", "timestamp_equals": "soon"}, {"and": [{"variable": "$.v", "is_null": True, "next": "x"}]}],
)  # fmt: skip
def test_what_is_no_rule_is_refused(rule):
    with pytest.raises(BadPath):
        parse_condition(rule)


@given(st.text(alphabet="ab*", max_size=8), st.text(alphabet="ab", max_size=12))
def test_a_star_stands_for_any_text(pattern, text):
    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None
    assert wildcard(pattern, text) == expected
