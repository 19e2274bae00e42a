"""Drawings: nothing lies on something else, and ways go down unless they lead back."""

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.workflows.rig import flow, task
from guru.agents.workflows.graph import draw
from guru.agents.workflows.layout import Box, Line, arrange, back_lines
from guru.agents.workflows.reading import read


def overlap(one, other):
    return (
        one.x < other.x + other.width and other.x < one.x + one.width
        and one.y < other.y + other.height and other.y < one.y + one.height
    )  # fmt: skip


@given(
    st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=40),
    st.lists(st.integers(60, 300), min_size=15, max_size=15),
)
@settings(max_examples=60)
def test_boxes_of_any_graph_lie_apart(pairs, widths):
    boxes = [Box(id=str(number), width=width, height=40 + width % 50) for number, width in enumerate(widths)]
    lines = [Line(source=str(one), target=str(other)) for one, other in pairs]
    width, height = arrange(boxes, lines, "0")
    assert not any(overlap(one, other) for number, one in enumerate(boxes) for other in boxes[number + 1 :])
    back = back_lines(boxes, lines, "0")
    by_id = {box.id: box for box in boxes}
    for number, line in enumerate(lines):
        heights = [y for _, y in line.points]
        if line.source != line.target:
            assert heights == sorted(heights, reverse=number in back)
            ends = (by_id[line.source], by_id[line.target])
            assert all(box.y <= y <= box.y + box.height for box, y in zip(ends, (heights[0], heights[-1]), strict=True))
    for box in boxes:
        assert (
            box.x >= -0.01 and box.x + box.width <= width + 0.01 and box.y >= 0 and box.y + box.height <= height + 0.01
        )


def test_a_circle_has_one_way_back():
    boxes = [Box(id=name, width=50, height=20) for name in "abc"]
    assert back_lines(
        boxes, [Line(source="a", target="b"), Line(source="b", target="c"), Line(source="c", target="a")], "a"
    ) == {2}


def test_steps_within_steps_lie_within_their_boxes():
    inner = {
        "x": task("t", "y"),
        "y": {
            "kind": "choice",
            "choices": [{"variable": "$.n", "numeric_greater_than": 3, "next": "x"}],
            "default": "z",
        },
        "z": {"kind": "succeed"},
    }
    definition = flow(
        a={"kind": "map", "start": "x", "steps": inner, "next": "b",
           "catch": [{"errors": ["States.Timeout"], "next": "c"}]},
        b={"kind": "parallel", "end": True,
           "branches": [{"start": "x", "steps": inner}, {"start": "s", "steps": {"s": {"kind": "succeed"}}}]},
        c={"kind": "fail", "error": "Late"},
    )  # fmt: skip
    graph = draw(read(definition)[0])
    nodes = {node.id: node for node in graph.nodes}
    assert set(nodes) == {"#start", "#end", "a", "a/x", "a/y", "a/z", "b", "b/0/x", "b/0/y", "b/0/z", "b/1/s", "c"}
    for node in graph.nodes:
        if node.within is not None:
            outer = nodes[node.within]
            assert outer.x < node.x and node.x + node.width < outer.x + outer.width
            assert outer.y < node.y and node.y + node.height < outer.y + outer.height
    siblings = [node for node in graph.nodes if node.within is None]
    assert not any(overlap(one, other) for n, one in enumerate(siblings) for other in siblings[n + 1 :])
    labels = {(edge.source, edge.target): (edge.kind, edge.label) for edge in graph.edges}
    assert labels["a/y", "a/x"] == ("choice", "$.n > 3")
    assert labels["a/y", "a/z"] == ("default", "otherwise")
    assert labels["a", "c"] == ("catch", "Timeout")
    assert labels["c", "#end"] == labels["#start", "a"] == ("next", "")
