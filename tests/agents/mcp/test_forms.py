"""Forms: what is asked of a person, and whether it was answered."""

import pytest

from guru.agents.mcp.forms import problems, with_defaults
from guru.agents.mcp.serving.fixture_forms import DEFAULTS, ENUMS

FORM = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 4},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "share": {"type": "number"},
        "sure": {"type": "boolean"},
        "tags": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string", "enum": ["a", "b", "c"]}},
    },
    "required": ["name"],
}


def test_what_is_right_is_right():
    assert problems(FORM, {"name": "Ann", "age": 3, "share": 0.5, "sure": False, "tags": ["a", "b"]}) == []
    assert problems(FORM, {"name": "Ann", "age": 3.0, "unknown": object()}) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {}, {"name": 3}, {"name": "A"}, {"name": "Annie"}, {"name": None}, {"name": "Ann", "age": "3"},
        {"name": "Ann", "age": True}, {"name": "Ann", "age": 3.5}, {"name": "Ann", "age": -1},
        {"name": "Ann", "age": 151}, {"name": "Ann", "sure": "yes"}, {"name": "Ann", "tags": "a"},
        {"name": "Ann", "tags": []}, {"name": "Ann", "tags": ["d"]}, {"name": "Ann", "tags": ["a", "b", "c"]},
        [], None, "Ann", 3,
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(wrong):
    assert problems(FORM, wrong)


def test_choices_are_those_that_are_offered_however_they_are_written():
    fine = {"untitledSingle": "option1", "titledSingle": "value2", "legacyEnum": "opt3", "titledMulti": ["value1"]}
    assert problems(ENUMS, fine) == []
    for field, value in (("untitledSingle", "x"), ("titledSingle", "First Option"), ("titledMulti", ["x"])):
        assert problems(ENUMS, fine | {field: value})


def test_what_is_left_out_is_what_the_form_says():
    filled = with_defaults(DEFAULTS, {"age": 5})
    assert filled == {"name": "John Doe", "age": 5, "score": 95.5, "status": "active", "verified": True}
