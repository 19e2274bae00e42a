"""Templates: what they can say, what they cannot, and that values are only ever data."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guru.errors import InvalidParameter
from guru.prompts.rendering import render
from guru.prompts.template import parse

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


def fill(template, **values):
    return render(parse(template), values)


@given(st.text())
@example("{{ secret }}")
@example("{% for x in range(9**9) %}{% endfor %}")
@example("{% raw %}{{ a }}{# b #}\r\n<b>&amp;</b>")
@example("{{ ''.__class__.__mro__[1].__subclasses__() }}")
def test_a_text_comes_out_as_it_went_in(value):
    assert fill("Question: {{ value }} !", value=value, secret="the secret") == f"Question: {value} !"


@given(st.text(), st.lists(st.text(), max_size=5), st.text())
def test_nothing_of_a_value_is_rendered_in_loops_sections_and_filters(head, items, tail):
    template = (
        "{% if head or true %}{{ head | default('') }}{% endif %}{% for one in items %}[{{ one }}]{% endfor %}{{ o.t }}"
    )
    assert fill(template, head=head, items=items, o={"t": tail}) == head + "".join(f"[{one}]" for one in items) + tail


@given(JSON_VALUES)
def test_what_is_no_text_is_shown_as_json(value):
    shown = fill("{{ value | tojson }}", value=value)
    assert json.loads(shown) == value
    if not isinstance(value, str) and value is not None:
        assert fill("{{ value }}", value=value) == shown


@given(st.text())
def test_whatever_stands_in_a_template_is_refused_or_rendered_and_nothing_else(source):
    try:
        template = parse(source)
    except InvalidParameter:
        return
    try:
        assert isinstance(render(template, dict.fromkeys(template.names, "x")), str)
    except InvalidParameter as error:
        assert error.message


WRITTEN = [
    ("{{ name }}", {"name": "Ann"}, "Ann"),
    ("{{ order.lines[1].item }}", {"order": {"lines": [{"item": "a"}, {"item": "b"}]}}, "b"),
    ("{{ order['two words'] }}", {"order": {"two words": 1}}, "1"),
    ("{{ names | join(', ') }}", {"names": ["a", "b"]}, "a, b"),
    ("{{ name | upper }} {{ name | length }}", {"name": "ann"}, "ANN 3"),
    ("{{ name | default('nobody') }}", {"name": None}, "nobody"),
    ("{{ o.gone | default('none') }}", {"o": {}}, "none"),
    ("{% if o.gone is defined %}yes{% else %}no{% endif %}", {"o": {}}, "no"),
    ("{% if tone %}{{ tone }}{% else %}plain{% endif %}", {"tone": None}, "plain"),
    ("{% if n > 3 and n != 5 %}big{% elif n == 3 %}three{% else %}small{% endif %}", {"n": 3}, "three"),
    ("{% if 'a' in names %}in{% endif %}", {"names": ["a"]}, "in"),
    ("{% for n in ns %}{{ loop.index }}{{ n }}{{ ', ' if not loop.last }}{% endfor %}", {"ns": ["a", "b"]}, "1a, 2b"),
    ("{% for n in ns if n != 'b' %}{{ n }}{% else %}none{% endfor %}", {"ns": ["b"]}, "none"),
    ("{% for n in ns %}\n- {{ n }}\n{% endfor %}\nEnd", {"ns": ["a", "b"]}, "- a\n- b\nEnd"),
    ("{# a note #}{% raw %}{{ kept }}{% endraw %}", {}, "{{ kept }}"),
    ("{{ true }} {{ 2.5 }} [{{ none }}]", {}, "true 2.5 []"),
    ("{{ text | truncate(7) }}", {"text": "one two three"}, "one…"),
    ("{{ text | indent(2) }}", {"text": "a\nb"}, "a\n  b"),
    ("line\n", {}, "line\n"),
]


@pytest.mark.parametrize(("template", "values", "shown"), WRITTEN)
def test_what_templates_say(template, values, shown):
    assert fill(template, **values) == shown


REFUSED = [
    "{{ f() }}", "{{ ''.format(1) }}", "{{ range(10) }}", "{% set x = 1 %}", "{% include 'x' %}",
    "{% import 'x' as y %}",
    "{% extends 'x' %}", "{% macro m() %}{% endmacro %}", "{% block b %}{% endblock %}", "{{ 1 + 1 }}", "{{ 'a' * 9 }}",
    "{{ 9 ** 9 }}", "{{ a ~ b }}", "{{ a[0:2] }}", "{{ a[b] }}", "{{ [1, 2] }}", "{{ {'a': 1} }}",
    "{{ a | attr('b') }}",
    "{{ a | map('upper') }}", "{{ a is callable }}", "{% for a, b in c %}{% endfor %}", "{{ a", "{% if a %}",
    "{% for a in b recursive %}{% endfor %}", "{% filter upper %}a{% endfilter %}", "{% with %}{% endwith %}",
    "{{ " + "(" * 5000 + ")" * 5000 + " }}", "{{ " + "9" * 5000 + " }}", "{{ " + "not " * 60 + "a }}",
    "{% call a() %}{% endcall %}",
    "{{ a | join(*b) }}", "{% do a %}", "{% unknown %}",
]  # fmt: skip


@pytest.mark.parametrize("template", REFUSED)
def test_what_a_template_cannot_have(template):
    with pytest.raises(InvalidParameter) as caught:
        parse(template)
    assert caught.value.message and caught.value.hint


@pytest.mark.parametrize("attack", ["__class__", "__init__", "format", "keys", "_private", "items", "mro"])
def test_values_have_no_attributes_but_their_members(attack):
    for value in ("text", 3, [1], {"a": 1}, True, 2.5):
        with pytest.raises(InvalidParameter, match="is missing"):
            fill("{{ a." + attack + " }}", a=value)
        with pytest.raises(InvalidParameter, match="is missing"):
            fill("{{ a['" + attack + "'] }}", a=value)


MANY, LONG = list(range(3_000)), "x" * 1_000_000
TOO_MUCH = [
    ("{% for a in m %}{% for b in m %}{% for c in m %}{% endfor %}{% endfor %}{% endfor %}", {"m": MANY}),
    ("{% for a in m %}{{ long }}{% endfor %}", {"m": MANY, "long": LONG}),
    ("{% for a in m %}{{ long | upper | length }}{% endfor %}", {"m": MANY, "long": LONG}),
    ("{{ m | join(long) }}", {"m": MANY, "long": LONG}),
    ("{% for a in m %}{% if 'y' in long %}{% endif %}{% endfor %}", {"m": MANY, "long": LONG}),
    ("{{ long | indent(100) }}", {"long": "\n" * 1_000_000}),
    ("{% for a in m %}{{ m | tojson }}{% endfor %}", {"m": MANY}),
]


@pytest.mark.parametrize(("template", "values"), TOO_MUCH)
def test_loops_and_filters_make_little_of_little(template, values):
    with pytest.raises(InvalidParameter, match=r"grows too large|too much work"):
        fill(template, **values)


def test_mistakes_name_their_line():
    with pytest.raises(InvalidParameter, match="Line 3: a call"):
        parse("one\ntwo\n{{ f() }}")
    for template, values in (
        ("{% for a in b %}{% endfor %}", {"b": "text"}),
        ("{{ a | join }}", {"a": "text"}),
        ("{% if a > 'x' %}{% endif %}", {"a": 3}),
        ("{% if a == b %}{% endif %}", {"a": [], "b": []}),
        ("{{ a | truncate('x') }}", {"a": "text"}),
        ("{{ a | upper(1) }}", {"a": "text"}),
        ("{{ a.b }}", {"a": {}}),
    ):
        with pytest.raises(InvalidParameter) as caught:
            fill(template, **values)
        assert caught.value.hint
