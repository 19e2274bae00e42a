"""Everything that is wrong with a definition is said at once, with its place."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.workflows.rig import flow, task
from guru.agents.workflows.builder import Flow, Steps, var
from guru.agents.workflows.check import Known, check
from guru.agents.workflows.definition import MAX_STEPS, from_plain, to_plain
from guru.agents.workflows.reading import parse, read
from guru.errors import InvalidParameter

KNOWN = Known(tools=["find", "charge"], agents=["helper"])


def problems(definition):
    workflow, found = read(definition)
    return {problem.place: problem.message for problem in (check(workflow, KNOWN) if workflow else found)}


def test_a_right_one_has_none():
    assert problems(flow(a=task("find", "b"), b={"kind": "succeed"})) == {}


def test_all_that_is_wrong_with_its_form_is_said_with_its_place():
    found = problems(
        {
            "name": "bad name!", "start": "a", "colour": 1,
            "steps": {
                "a": {"kind": "tusk"},
                "b": {"kind": "task", "tol": "x"},
                "c": {"kind": "task", "tool": "find", "retry": [{"errors": ["X"], "attempts": -1}]},
                "d": {"kind": "map", "start": "x", "steps": {"x": {"kind": "wait", "seconds": []}}},
                "e": {"kind": "parallel", "branches": [{"start": "y", "steps": {"y/z": {"kind": "succeed"}}}]},
                "f": "text",
            },
        }
    )  # fmt: skip
    assert found.keys() == {
        "name", "colour", "steps.a.kind", "steps.b.tol", "steps.c.retry[0].attempts", "steps.d.steps.x.seconds",
        "steps.e.branches[0].steps.y/z", "steps.f",
    }  # fmt: skip
    assert "Did you mean 'task'?" in found["steps.a.kind"]
    assert "Did you mean 'tool'?" in found["steps.b.tol"]


def test_where_steps_lead_is_looked_at():
    found = problems(
        flow(
            a=task("find", "bb"),
            b={"kind": "choice", "choices": [{"variable": "$.x", "is_null": True, "next": "c"}]},
            c={"kind": "pass", "next": "b"},
            d={"kind": "pass"},
            e={"kind": "pass", "next": "a", "end": True},
        )
    )
    assert found == {
        "steps.a.next": "There is no step 'bb'. Did you mean 'b'?",
        "steps.b": "No step leads to it.",
        "steps.c": "No step leads to it.",
        "steps.d": "No step leads to it.",
        "steps.e": "No step leads to it.",
    }
    circle = {"kind": "choice", "choices": [{"variable": "$.x", "is_null": True, "next": "a"}], "default": "a"}
    assert problems(flow(a={"kind": "pass", "next": "b"}, b=circle)) == {
        "steps.a": "It is in a circle that leads to no end.",
        "steps.b": "It is in a circle that leads to no end.",
    }
    assert problems(flow(a={"kind": "pass"})) == {"steps.a": "It leads nowhere: give `next`, or `end = true`."}


def test_what_templates_and_paths_name_is_looked_at():
    found = problems(
        flow(
            a=task("find", "b", parameters={"x": ["{{ steps.b.output }}", "{{ steps.q.output }}"], "y.$": "$.a[?(@)]"}),
            b={"kind": "map", "items": "{{ steps.a.output }}", "item": {"i": "{{ item }}"}, "start": "c", "next": "d",
               "steps": {"c": task("find", "c2", parameters={"a": "{{ steps.a.output }} {{ index }}"}),
                         "c2": task("find", parameters={"c": "{{ steps.c.output }}", "d": "{{ steps.d.output }}"})}},
            d={"kind": "wait", "seconds": "{{ item.x }}", "input_path": "input.x", "next": "e"},
            e={"kind": "task", "tool": "charge", "result_path": "$.a[*]", "end": True,
               "parameters": {"k": "{{ input.kk }}"}},
            input={"type": "object", "properties": {"kind": {}}, "additionalProperties": False},
        )
    )  # fmt: skip
    assert found == {
        "steps.a.parameters.x[0]": "steps.b.output: 'b' never runs before this step.",
        "steps.a.parameters.x[1]": "steps.q.output: there is no step 'q'.",
        "steps.a.parameters.y.$": "'$.a[?(@)]' is no path that can be used: a filter is not supported.",
        "steps.b.steps.c2.parameters.d": "steps.d.output: there is no step 'd'.",
        "steps.d.seconds": "item.x: there is no 'item' here; there are $, $$, input, run, steps.",
        "steps.d.input_path": "input.x must begin with `$`.",
        "steps.e.result_path": "$.a[*] must name one place: `$`, names and indexes.",
        "steps.e.parameters.k": "input.kk: the input has no 'kk'.",
    }


def test_what_tasks_name_is_looked_at():
    last = {"errors": ["States.ALL", "X"], "next": "b"}
    found = problems(
        flow(
            a={"kind": "task", "tool": "fnd", "next": "b", "catch": [last]},
            b={"kind": "task", "agent": "helpr", "prompt": "x", "next": "c"},
            c={"kind": "task", "question": "x", "next": "d"},
            d={"kind": "task", "tool": "find", "prompt": "x", "next": "e"},
            e={"kind": "human", "title": "x", "next": "f", "people": ["ann"]},
            f={"kind": "wait", "next": "g"},
            g={"kind": "task", "prompt": "x", "schema": {"type": "objekt"}, "next": "h"},
            h={"kind": "choice", "choices": [{"variable": "$", "like": "x"}], "default": "i"},
            i={"kind": "wait", "until": "tomorrow", "end": True},
        )
    )
    assert found.keys() == {
        "steps.a.tool", "steps.a.catch[0].errors", "steps.b.agent", "steps.c", "steps.d", "steps.e",
        "steps.e.people[0]", "steps.f", "steps.g.schema", "steps.h.choices[0]", "steps.i.until",
    }  # fmt: skip
    assert "Did you mean 'find'?" in found["steps.a.tool"]


def test_a_definition_has_limits():
    many = {f"s{n}": {"kind": "succeed"} for n in range(MAX_STEPS + 1)}
    assert "at most 500" in problems(flow(start="s0", **many))["steps"]
    deep = {"kind": "succeed"}
    for _ in range(9):
        deep = {"kind": "map", "start": "a", "steps": {"a": deep}, "end": True}
    assert any("deep" in message for message in problems(flow(a=deep)).values())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["a", "task", "map", "choice", "$.x", "{{ $ }}", "{{"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["kind", "steps", "start", "next", "end", "a", "branches", "choices", "catch", "parameters",
                         "x.$"]),
        inner, max_size=5,
    ),
    max_leaves=25,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["name", "start", "steps", "input"]), JSON), st.dictionaries(st.just("a"), JSON))
def test_garbage_is_refused_and_never_breaks_the_check(top, steps):
    for plain in (top, {"name": "x", "start": "a", "steps": steps}):
        workflow, found = read(plain)
        assert (workflow is None) == bool(found)
        if workflow is not None:
            check(workflow, KNOWN)


TOML = """
name = "triage"
start = "sort"
deadline = 3600

[steps.sort]
kind = "choice"
choices = [{ variable = "$.total", numeric_greater_than = 100, next = "ask" }]
default = "pay"

[steps.ask]
kind = "human"
title = "Pay {{ input.total }}?"
decisions = ["yes", "no"]
result_path = ""
next = "pay"

[steps.pay]
kind = "task"
tool = "charge"
end = true
retry = [{ errors = ["States.ALL"], attempts = 2, jitter = "full" }]
"""
YAML = """
name: triage
start: sort
deadline: 3600
steps:
  sort:
    kind: choice
    choices: [{variable: $.total, numeric_greater_than: 100, next: ask}]
    default: pay
  ask: {kind: human, title: "Pay {{ input.total }}?", decisions: ["yes", "no"], result_path: "", next: pay}
  pay:
    kind: task
    tool: charge
    end: true
    retry: [{errors: [States.ALL], attempts: 2, jitter: full}]
"""


def test_toml_yaml_and_python_say_the_same():
    built = Flow("triage", deadline=3600)
    built.choice("sort", (var("$.total").greater_than(100), "ask"), default="pay")
    built.human("ask", title="Pay {{ input.total }}?", decisions=["yes", "no"], result_path="")
    built.task("pay", tool="charge", retry=[{"errors": ["States.ALL"], "attempts": 2, "jitter": "full"}])
    workflow, _ = read(parse(TOML, "toml"))
    assert read(parse(YAML, "yaml"))[0] == workflow == built.build()
    assert from_plain(copy.deepcopy(to_plain(workflow))) == workflow


def test_python_nests_steps_and_joins_rules():
    built = Flow("x")
    built.map("each", Steps().task("one", tool="find").wait("pause", seconds=1), items="{{ $ }}")
    built.parallel("both", Steps().succeed("a"), Steps().pass_("b", result=1))
    rule = var("$.a").equals(True) & ~(var("$.b").is_null() | var("$.c").matches("x*"))
    built.choice("way", (rule, "end"), default="stop").succeed("end").fail("stop", error="No")
    workflow = built.build()
    assert workflow.steps["each"].steps["one"].next == "pause"
    assert workflow.steps["each"].next == "both"
    assert workflow.steps["way"].choices[0]["and"][1]["not"]["or"][1] == {"variable": "$.c", "string_matches": "x*"}
    with pytest.raises(InvalidParameter, match=r"steps\.a\.next"):
        Flow("x").task("a", tool="t", next="q").build()
    with pytest.raises(ValueError, match="two steps"):
        Steps().succeed("a").succeed("a")


@pytest.mark.parametrize(
    ("text", "format"),
    [("= 1", "toml"), ("a: [", "yaml"), ("{", "json"), ("[1]", "json"), ("a: &x [1]\nb: *x", "yaml"),
     ("x" * 2_000_000, "json"),
     ("- 1", "yaml"), ("a: !!python/object/apply:os.system ['true']", "yaml")],
)  # fmt: skip
def test_a_text_that_is_no_definition_is_refused(text, format):
    with pytest.raises(InvalidParameter):
        parse(text, format)
