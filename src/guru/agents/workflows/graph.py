"""The drawing of a workflow: steps as boxes, those of maps and branches within the box of theirs, and ways between."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from guru.agents.workflows.definition import (
    AnyStep,
    Choice,
    Fail,
    Going,
    Human,
    Map,
    Parallel,
    Succeed,
    Task,
    Wait,
    Workflow,
    exits_of,
)
from guru.agents.workflows.layout import GAP, Box, Line, arrange

HEIGHT: Final = 46.0
LETTER: Final = 7.4
NARROWEST: Final = 110.0
WIDEST: Final = 240.0
HEAD: Final = 52.0
PAD: Final = 16.0
DOT: Final = 14.0
START: Final = "#start"
END: Final = "#end"
"""No step is called so: a name has no `#`."""


class Node(Struct, kw_only=True):
    """A box. `id` is the step's place: its name, behind those of the maps and branches that it is in."""

    id: str
    name: str
    kind: str
    about: str
    """What it does, in a few words: `tool charge`."""
    x: float
    y: float
    width: float
    height: float
    within: str | None


class Edge(Struct, kw_only=True):
    source: str
    target: str
    kind: str
    """`next`, `choice`, `default` or `catch`."""
    label: str
    points: list[tuple[float, float]]


class Graph(Struct, kw_only=True):
    width: float
    height: float
    nodes: list[Node]
    edges: list[Edge]


def draw(workflow: Workflow) -> Graph:
    """The drawing. Pixels; a page may scale it."""
    nodes, edges, width, height = draw_block(workflow.steps, workflow.start, "", None, ends=True)
    return Graph(width=width, height=height, nodes=nodes, edges=edges)


def draw_block(
    steps: dict[str, AnyStep], start: str, prefix: str, within: str | None, *, ends: bool = False
) -> tuple[list[Node], list[Edge], float, float]:
    """A block with its upper left corner at 0, 0."""
    inner = {name: draw_inner(step, f"{prefix}{name}") for name, step in steps.items()}
    boxes = [Box(id=f"{prefix}{name}", width=made[2], height=made[3]) for name, made in inner.items()]
    ways = ways_of(steps, prefix)
    if ends:
        boxes = [Box(id=START, width=DOT, height=DOT), *boxes, Box(id=END, width=DOT, height=DOT)]
        ways = [(START, f"{prefix}{start}", "next", ""), *ways]
        ways += [(f"{prefix}{name}", END, "next", "") for name, step in steps.items() if is_end(step)]
    lines = [Line(source=source, target=target) for source, target, _, _ in ways]
    width, height = arrange(boxes, lines, START if ends else f"{prefix}{start}")
    nodes: list[Node] = []
    edges = [
        Edge(source=source, target=target, kind=kind, label=label, points=line.points)
        for (source, target, kind, label), line in zip(ways, lines, strict=True)
    ]
    for box in boxes:
        if box.id in (START, END):
            kind = "start" if box.id == START else "end"
            nodes.append(node(box, name=kind, kind=kind, about="", within=within))
            continue
        name = box.id[len(prefix) :]
        step = steps[name]
        nodes.append(node(box, name=name, kind=type(step).__name__.lower(), about=about(step), within=within))
        inner_nodes, inner_edges, _, _ = inner[name]
        shift(inner_nodes, inner_edges, box.x, box.y)
        nodes += inner_nodes
        edges += inner_edges
    return nodes, edges, width, height


def node(box: Box, *, name: str, kind: str, about: str, within: str | None) -> Node:
    return Node(id=box.id, name=name, kind=kind, about=about, x=box.x, y=box.y, width=box.width, height=box.height,
                within=within)  # fmt: skip


def draw_inner(step: AnyStep, place: str) -> tuple[list[Node], list[Edge], float, float]:
    """What is within a step, and the size of its box."""
    if isinstance(step, Map):
        blocks = [draw_block(step.steps, step.start, f"{place}/", place)]
    elif isinstance(step, Parallel):
        blocks = [
            draw_block(branch.steps, branch.start, f"{place}/{number}/", place)
            for number, branch in enumerate(step.branches)
        ]
    else:
        words = max(len(place.rpartition("/")[2]), len(about(step)) * 0.85)
        return [], [], min(max(words * LETTER + 44, NARROWEST), WIDEST), HEIGHT
    nodes: list[Node] = []
    edges: list[Edge] = []
    left, height = PAD, 0.0
    for block_nodes, block_edges, block_width, block_height in blocks:
        shift(block_nodes, block_edges, left, HEAD)
        nodes += block_nodes
        edges += block_edges
        left += block_width + GAP
        height = max(height, block_height)
    return nodes, edges, max(left - GAP + PAD, 160.0), HEAD + height + PAD


def shift(nodes: list[Node], edges: list[Edge], x: float, y: float) -> None:
    for item in nodes:
        item.x += x
        item.y += y
    for edge in edges:
        edge.points = [(left + x, top + y) for left, top in edge.points]


def ways_of(steps: dict[str, AnyStep], prefix: str) -> list[tuple[str, str, str, str]]:
    """Source, target, kind and label; several ways between the same two are one, with all their labels."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for name, step in steps.items():
        for place, target, kind in exits_of(step):
            if target in steps:
                labels = found.setdefault((f"{prefix}{name}", f"{prefix}{target}", kind), [])
                labels.append(label_of(step, place, kind))
    return [
        (source, target, kind, " or ".join(filter(None, labels))) for (source, target, kind), labels in found.items()
    ]


def label_of(step: AnyStep, place: str, kind: str) -> str:
    number = int(place.partition("[")[2].partition("]")[0] or 0)
    if kind == "default":
        return "otherwise"
    if kind == "catch":
        names: list[str] = getattr(step, "catch", [])[number].errors
        return ", ".join(name.removeprefix("States.") for name in names)
    return rule_text(step.choices[number]) if isinstance(step, Choice) else ""


SIGNS: Final = {"equals": "=", "less_than": "<", "greater_than": ">", "less_than_equals": "≤",
                "greater_than_equals": "≥", "matches": "~"}  # fmt: skip


def rule_text(rule: dict[str, object]) -> str:
    """A rule in a few signs: `$.total > 100`."""
    for name, sign in (("and", " and "), ("or", " or ")):
        if isinstance(parts := rule.get(name), list):
            return sign.join(rule_text(part) for part in parts if isinstance(part, dict))
    if isinstance(negated := rule.get("not"), dict):
        return f"not ({rule_text(negated)})"
    name = next((name for name in rule if name not in ("variable", "next", "comment")), "")
    value = rule.get(name)
    if name.startswith("is_"):
        return f"{rule.get('variable')} {'is' if value else 'is not'} {name[3:]}"
    sign = SIGNS.get(name.removesuffix("_path").partition("_")[2], name)
    if isinstance(value, str) and not name.endswith("_path"):
        return f"{rule.get('variable')} {sign} “{value}”"
    shown = str(value).lower() if isinstance(value, bool) else value
    return f"{rule.get('variable')} {sign} {shown}"


def about(step: AnyStep) -> str:
    """What a step does, in a few words."""
    match step:
        case Task(tool=str(tool)):
            return f"tool {tool}"
        case Task(agent=str(agent)):
            return f"agent {agent}"
        case Task(question=str()):
            return f"asks {step.collection}"
        case Task():
            return f"model {step.model or 'default'}"
        case Human():
            return "a person"
        case Map():
            return f"for each of {step.items}"
        case Wait():
            return f"until {step.until}" if step.until else f"{step.seconds} s"
        case Fail():
            return step.error
        case _:
            return type(step).__name__.lower()


def is_end(step: AnyStep) -> bool:
    return isinstance(step, Succeed | Fail) or (isinstance(step, Going) and step.end)
