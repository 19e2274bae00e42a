import re
import xml.etree.ElementTree as ET

from guru.evaluate.chart import page, svg


def setting(mode, k, mean, p50, **more):
    interval = {"mean": mean, "low": mean - 0.1, "high": min(1, mean + 0.1), "n": 50}
    names = ("recall", "ndcg", "hit_rate", "mrr", "precision")
    return {
        "mode": mode, "k": k, "chunk_tokens": 200, "current": False, "on_front": False, "gain": interval,
        "metrics": dict.fromkeys(names, interval), "latency": {"p50": p50, "p99": 2 * p50, "mean": p50},
        "characters": 900.0, **more,
    }  # fmt: skip


REPORT = {
    "collection": "a<b>&c", "questions": 50, "options": {"metric": "recall"},
    "settings": [
        setting("hybrid", 6, 0.9, 0.010, current=True), setting("sparse", 3, 0.8, 0.004, on_front=True),
        setting("dense", 6, 0.7, 0.009), setting("hybrid", 10, 0.95, 0.012, on_front=True),
    ],
    "recommendation": {
        "setting": {"mode": "hybrid", "k": 10, "chunk_tokens": 200}, "change": True, "reason": "It is <better>.",
    },
}  # fmt: skip
SVG = "{http://www.w3.org/2000/svg}"


def test_a_chart_is_xml_with_a_mark_for_every_setting_where_it_belongs():
    root = ET.fromstring(svg(REPORT).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))
    marks = list(root.iter(f"{SVG}g"))
    assert next(group.find(f"{SVG}title").text for group in marks) == "hybrid, 6 passages of 200 tokens: 0.900, 10.0 ms"
    circles = [group.find(f"{SVG}circle[@class='hybrid']") for group in marks]
    places = [(float(circle.get("cx")), float(circle.get("cy"))) for circle in circles if circle is not None]
    (slow, high), (slower, higher) = places
    assert slow < slower  # more time is further right
    assert high > higher  # better is further up
    (line,) = list(root.iter(f"{SVG}polyline"))
    assert len(line.get("points").split()) == 2


def test_the_page_says_what_to_use_and_shows_names_as_text():
    text = page(REPORT)
    assert "Use hybrid, 10 passages of 200 tokens. It is &lt;better&gt;." in text
    assert "a&lt;b&gt;&amp;c" in text
    assert "<b>" not in text
    assert len(re.findall("<tr", text)) == 1 + len(REPORT["settings"])
    assert '<tr class="chosen"><td>hybrid, 10' in text
    assert "recommended" in text and "current" in text


def test_without_questions_there_is_nothing_to_draw():
    assert "nothing to compare" in page(REPORT | {"settings": [], "recommendation": None})
