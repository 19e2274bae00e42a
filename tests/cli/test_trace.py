import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.cli.trace import BAR_WIDTH, bar, in_order
from running import run, run_json


@pytest.fixture(scope="module")
def trace_id(sample_server):
    return run_json(sample_server.home, "ask", "What is the mileage rate for a private car?", "-c", "handbook")[
        "trace_id"
    ]


def test_list_shows_the_latest_requests(sample_server, trace_id):
    assert trace_id in [trace["id"] for trace in run_json(sample_server.home, "trace", "list")["traces"]]
    assert trace_id in run(sample_server.home, "trace").stdout


def test_show_draws_every_step(sample_server, trace_id):
    text = run(sample_server.home, "trace", "show", trace_id).stdout
    spans = run_json(sample_server.home, "trace", "show", trace_id)["spans"]
    assert [span["name"] for span in spans if span["name"] not in text] == []
    assert "█" in text


def test_an_unknown_trace_is_an_error(sample_server):
    assert run(sample_server.home, "trace", "show", "trace_none", check=False).returncode == 1


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_bar_has_one_width_and_at_least_one_mark(one, other):
    drawn = bar(min(one, other), max(one, other), 1.0)
    assert len(drawn) == BAR_WIDTH + 2
    assert "█" in drawn


def test_spans_stand_below_their_parents_in_the_order_they_began():
    spans = [
        {"id": "c", "parent_id": "a", "start": 2.0},
        {"id": "b", "parent_id": "a", "start": 1.0},
        {"id": "a", "parent_id": "elsewhere", "start": 0.0},
    ]
    assert [(depth, span["id"]) for depth, span in in_order(spans)] == [(0, "a"), (1, "b"), (1, "c")]
