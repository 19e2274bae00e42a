from guru.cli.chat import branch, to_text
from running import run


def test_lines_are_questions_and_answers_cite(sample_server):
    result = run(sample_server.home, "chat", "-c", "handbook", input="What is the mileage rate for a private car?\n")
    assert "0.38" in result.stdout
    assert "[1] travel-and-expenses.docx" in result.stdout
    assert "\x1b" not in result.stdout


def test_a_conversation_is_kept_and_can_be_gone_on_with(sample_server):
    run(sample_server.home, "chat", "-c", "handbook", input="How many characters must a password have?\n")
    result = run(sample_server.home, "chat", "--continue", "last", input="/retry\n/history\n")
    assert result.stdout.count("> How many characters must a password have?") == 2
    latest = sample_server.get("/api/v1/conversations?limit=1")["conversations"][0]
    messages = sample_server.get(f"/api/v1/conversations/{latest['id']}")["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "assistant"]


def test_an_error_does_not_end_the_chat(sample_server):
    result = run(sample_server.home, "chat", "-m", "no/such", input="Hello\n/help\n")
    assert "no/such" in result.stderr
    assert "/retry" in result.stdout


def test_a_branch_is_the_way_from_the_first_message_to_one_of_the_last():
    tree = [{"id": name, "parent_id": parent} for name, parent in (("a", None), ("b", "a"), ("c", "a"), ("d", "c"))]
    assert [message["id"] for message in branch(tree, "d")] == ["a", "c", "d"]


def test_only_the_text_of_a_message_is_shown():
    assert to_text([{"type": "text", "text": "a"}, {"type": "image_url"}]) == "a"
