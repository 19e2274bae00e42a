"""What differs between two versions, place by place."""

from guru.prompts.diff import as_text, compare
from guru.prompts.files import to_file

LONG = "\n".join(f"line {number}" for number in range(20))


def define(*contents, **more):
    return to_file({"messages": [{"role": "user", "content": content} for content in contents], **more}).definition()


def test_every_place_that_differs_is_named():
    before = define(LONG, "gone", variables={"a": {}, "b": {}}, description="old")
    after = define(
        LONG.replace("line 9", "line nine"), variables={"a": {"default": "x"}, "b": {}, "c": {}}, role="a clerk"
    )
    found = {difference.place: difference for difference in compare(before, after)}
    assert {place: difference.kind for place, difference in found.items()} == {
        "messages[0]": "changed", "messages[1]": "removed", "variables.a": "changed", "variables.c": "added",
        "description": "removed", "role": "added",
    }  # fmt: skip
    assert found["messages[0]"].unified.split("\n") == [
        "@@ -8,7 +8,7 @@", " line 6", " line 7", " line 8", "-line 9", "+line nine", " line 10", " line 11", " line 12",
    ]  # fmt: skip
    assert found["messages[1]"].unified == "-user:\n-gone"
    assert (found["role"].before, found["role"].after) == (None, "a clerk")


def test_a_message_whose_role_alone_differs_differs():
    one, other = define("x"), to_file({"messages": [{"role": "system", "content": "x"}]}).definition()
    (difference,) = compare(one, other)
    assert difference.unified == "@@ -1,2 +1,2 @@\n-user:\n+system:\n x"


def test_the_same_has_no_difference():
    assert compare(define("x"), define("x")) == []
    assert as_text([], "a@1", "a@2") == "a@1 and a@2 are the same.\n"
    text = as_text(compare(define("x"), define("y")), "a@1", "a@2")
    assert text.startswith("--- a@1\n+++ a@2\n### messages[0] changed\n")
