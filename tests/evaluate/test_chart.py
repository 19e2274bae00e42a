import re
import xml.etree.ElementTree as ET

import pytest

from guru.evaluate.chart import HEIGHT, LETTER, LINE, WIDTH, svg
from guru.evaluate.describe import label, short
from guru.evaluate.page import page


def setting(mode, k, mean, p50, **more):
    interval = {"mean": mean, "low": mean - 0.1, "high": min(1, mean + 0.1), "n": 50}
    names = ("recall", "ndcg", "hit_rate", "mrr", "precision")
    return {
        "mode": mode, "k": k, "fusion": "learned", "dense_weight": None, "rerank": "off", "rerank_top": None,
        "chunking": "recursive", "chunk_tokens": 200, "chunk_overlap": 40, "parent_tokens": None,
        "current": False, "on_front": False, "gain": interval,
        "metrics": dict.fromkeys(names, interval), "latency": {"p50": p50, "p99": 2 * p50, "mean": p50},
        "characters": 900.0, "failed": 0, "problem": None, **more,
    }  # fmt: skip


def report(*settings, chosen=None, change=True, **more):
    names = [name for name in setting("hybrid", 1, 0, 0) if name not in (
        "current", "on_front", "gain", "metrics", "latency", "characters", "failed", "problem")]  # fmt: skip
    chosen = settings[0] if chosen is None else chosen
    return {
        "collection": "a<b>&c", "questions": 50, "options": {"metric": "recall"}, "settings": list(settings), "own": [],
        "recommendation": {
            "setting": {name: chosen[name] for name in names}, "change": change, "reason": "It is <better>.",
            "configuration": {"passages": 10, "rerank": 'a"b'},
        },
    } | more  # fmt: skip


BEST = setting("hybrid", 10, 0.95, 0.012, on_front=True)
REPORT = report(
    setting("hybrid", 6, 0.9, 0.010, current=True), setting("sparse", 3, 0.8, 0.004, on_front=True),
    setting("dense", 6, 0.7, 0.009), BEST, chosen=BEST,
)  # fmt: skip
OLD = {
    "collection": "c", "questions": 50, "options": {"metric": "recall"},
    "settings": [
        {name: value for name, value in made.items() if name in (
            "mode", "k", "chunk_tokens", "current", "on_front", "gain", "metrics", "latency", "characters")}
        for made in REPORT["settings"]
    ],
    "recommendation": {"setting": {"mode": "hybrid", "k": 10, "chunk_tokens": 200}, "change": True, "reason": "Good."},
}  # fmt: skip
SVG = "{http://www.w3.org/2000/svg}"


def drawn(made):
    return ET.fromstring(svg(made).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def marks(root):
    """The marks by what they say to the pointer."""
    found = [(group.find(f"{SVG}title"), group) for group in root.iter(f"{SVG}g")]
    return {title.text.partition(":")[0]: group for title, group in found if title is not None}


def notes(root):
    """The names in the picture, each with its box."""
    found = []
    for text in root.iter(f"{SVG}text"):
        if text.get("class") == "note":
            x, y, width = float(text.get("x")), float(text.get("y")), LETTER * len(text.text)
            left = x if text.get("text-anchor") == "start" else x - width
            found.append((text.text, (left, y - LINE + 3, left + width, y + 3)))
    return found


def test_a_chart_is_xml_with_a_mark_for_every_setting_where_it_belongs():
    root = drawn(REPORT)
    found = marks(root)
    assert set(found) == {label(made) for made in REPORT["settings"]}
    current, best = found["hybrid, 6 passages of 200 tokens"], found["hybrid, 10 passages of 200 tokens"]
    assert current.find(f"{SVG}title").text == "hybrid, 6 passages of 200 tokens: 0.900 (0.800 to 1.000), 10.0 ms"
    circles = [group.find(f"{SVG}circle[@class='hybrid']") for group in (current, best)]
    (slow, high), (slower, higher) = [(float(circle.get("cx")), float(circle.get("cy"))) for circle in circles]
    assert slow < slower  # more time is further right
    assert high > higher  # better is further up
    (line,) = list(root.iter(f"{SVG}polyline"))
    assert len(line.get("points").split()) == 2


def test_only_what_matters_has_a_name_beside_it():
    assert set(dict(notes(drawn(REPORT)))) == {"6, current", "3", "10, recommended"}
    assert marks(drawn(REPORT))["dense, 6 passages of 200 tokens"].get("class") == "faint"


def test_names_hide_neither_each_other_nor_a_named_mark_among_forty_settings():
    many = [
        setting("hybrid", 1 + n % 7, 0.80 + n / 1000, 0.004 * 1.02**n, on_front=n % 2 == 0, fusion="rrf")
        for n in range(40)
    ]
    root = drawn(report(setting("hybrid", 6, 0.85, 0.005, current=True), *many))
    boxes = [box for _, box in notes(root)]
    assert len(boxes) == 21
    for number, (left, top, right, bottom) in enumerate(boxes):
        assert left >= 0 and top >= 0 and right <= WIDTH and bottom <= HEIGHT
        for other in boxes[number + 1 :]:
            assert not (left < other[2] and other[0] < right and top < other[3] and other[1] < bottom)


def test_a_setting_is_told_by_how_it_differs_from_the_current_one():
    current = setting("hybrid", 6, 0.9, 0.01, current=True)
    assert short(current, current) == "6"
    other = setting(
        "hybrid", 3, 0.9, 0.01, fusion="weighted", dense_weight=0.7, rerank="cohere/rerank-v3.5", rerank_top=20
    )
    assert short(other, current) == "3, weighted, dense 0.7, rerank-v3.5, best 20"
    assert label(other) == (
        "hybrid (weighted, dense 0.7), 3 passages of 200 tokens, best 20 reranked by cohere/rerank-v3.5"
    )
    assert short(current, other) == "6, learned, not reranked"
    parents = setting("sparse", 1, 0.9, 0.01, chunking="hierarchical", chunk_tokens=100, parent_tokens=800)
    assert short(parents, current) == "1×100 hierarchical"
    assert label(parents) == "sparse, 1 passage of 800 tokens (hierarchical, by chunks of 100)"
    assert label(setting("dense", 6, 0.9, 0.01, chunking="heading")) == "dense, 6 passages of 200 tokens (heading)"


def test_a_reranked_setting_has_another_mark():
    root = drawn(report(setting("hybrid", 6, 0.9, 0.3, current=True, rerank="rerank", rerank_top=30)))
    assert root.find(f".//{SVG}circle[@class='hybrid reranked']") is not None
    assert "outlined: reranked" in [text.text for text in root.iter(f"{SVG}text")]


def test_the_page_says_what_to_use_and_shows_names_as_text():
    text = page(REPORT)
    assert "Use hybrid, 10 passages of 200 tokens. It is &lt;better&gt;." in text
    assert "a&lt;b&gt;&amp;c" in text
    assert "<b>" not in text
    assert len(re.findall("<tr", text)) == 1 + len(REPORT["settings"])
    assert '<tr class="chosen"><td>hybrid, 10' in text
    assert "<pre>passages = 10\nrerank = &quot;a\\&quot;b&quot;</pre>" in text


def test_what_failed_is_in_the_table_and_not_in_the_picture():
    broken = setting("hybrid", 3, 0.9, 0.01, failed=2, problem="rerank: <it> sleeps.", gain=None)
    silent = setting(
        "dense", 3, 0.9, 0.01, failed=50, problem="No.", gain=None, metrics=None, latency=None, characters=None
    )
    made = report(setting("hybrid", 6, 0.9, 0.010, current=True), broken, silent)
    assert len(marks(drawn(made))) == 1
    text = page(made)
    assert "failed for 2 of 50 questions: rerank: &lt;it&gt; sleeps." in text
    assert "failed for 50 of 50 questions: No." in text


@pytest.mark.parametrize("failed", [0, 50])
def test_a_current_setting_that_failed_leaves_a_page(failed):
    current = setting("hybrid", 6, 0.9, 0.010, current=True, failed=failed, problem="No.", gain=None)
    assert "<table>" in page(report(current, setting("sparse", 6, 0.9, 0.010, gain=None), chosen=current, change=False))


def test_a_report_of_an_older_version_is_still_shown():
    text = page(OLD)
    assert "Use hybrid, 10 passages of 200 tokens. Good." in text
    assert '<tr class="chosen"><td>hybrid, 10' in text
    assert set(dict(notes(drawn(OLD)))) == {"6, current", "3", "10, recommended"}


def test_without_questions_there_is_nothing_to_draw():
    assert "nothing to compare" in page(REPORT | {"settings": [], "recommendation": None})
