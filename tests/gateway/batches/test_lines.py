"""Lines of a batch's input: whatever a file holds is read, and every line is told apart."""

import json

from hypothesis import given
from hypothesis import strategies as st

from guru.gateway.batches.lines import read_lines

ENDPOINT = "/v1/chat/completions"


@given(st.lists(st.binary(max_size=60).map(lambda data: data.replace(b"\n", b" "))))
def test_no_line_breaks_the_reader(tmp_path_factory, texts):
    file = tmp_path_factory.mktemp("lines") / "in.jsonl"
    file.write_bytes(b"\n".join(texts))
    lines = list(read_lines(file, ENDPOINT))
    assert [line.number for line in lines] == list(range(sum(bool(text.strip()) for text in texts)))


def test_right_lines_are_read_as_they_are(tmp_path):
    file = tmp_path / "in.jsonl"
    raw = [
        {"custom_id": f"ü{number}", "method": "POST", "url": ENDPOINT, "body": {"model": "m", "n": number}}
        for number in range(3)
    ]
    file.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(json.dumps(line).encode() for line in raw))
    lines = list(read_lines(file, ENDPOINT))
    assert [(line.custom_id, line.body, line.error) for line in lines] == [
        (line["custom_id"], line["body"], None) for line in raw
    ]


def test_a_line_that_is_too_long_is_skipped_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("guru.gateway.batches.lines.MAX_LINE", 100)
    file = tmp_path / "in.jsonl"
    good = json.dumps({"custom_id": "b", "method": "POST", "url": ENDPOINT, "body": {}}).encode()
    file.write_bytes(b"x" * 1000 + b"\n" + good + b"\n")
    first, second = read_lines(file, ENDPOINT)
    assert (first.number, first.error["code"]) == (0, "line_too_long")
    assert (second.number, second.custom_id, second.error) == (1, "b", None)
