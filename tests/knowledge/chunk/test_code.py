"""Source code along its syntax tree."""

import pytest

from guru.knowledge.parse import grammars, parse, syntax

PYTHON = '''"""Pumps."""

import json
import math
import os
import sys

LIMITS = (1, 2, 3, 5, 8, 13, 21, 34, 55)


# How fast the feed pump turns,
# in turns per minute.
def speed(pump):
    """The speed."""
    for name in pump.names:
        print(name)
    return pump.turns / pump.minutes


@cached
class Pump:
    """A pump."""

    def start(self):
        """Start it."""
        self.valve.open()
        self.motor.run()

    def stop(self):
        """Stop it."""
        self.motor.halt()
        self.valve.close()
'''


def cut(chunker, text, name):
    parsed = parse(text.encode(), name)
    return [parsed.text[chunk.start : chunk.end] for chunk in chunker.split(parsed)], parsed.warnings


def test_functions_and_classes_stay_whole_with_what_stands_above_them(make):
    found, warnings = cut(make("code", 75), PYTHON, "pumps.py")
    assert warnings == []
    assert found[0].startswith('"""Pumps."""') and found[0].endswith("55)")
    assert found[1].startswith("# How fast") and found[1].endswith("return pump.turns / pump.minutes")
    assert found[2].startswith("@cached\nclass Pump:") and found[2].endswith("self.valve.close()")
    assert len(found) == 3


def test_a_class_that_is_too_long_is_cut_between_its_methods(make):
    found, _ = cut(make("code", 45), PYTHON, "pumps.py")
    assert any(text.startswith('@cached\nclass Pump:\n    """A pump."""\n') for text in found)
    assert any(text.endswith("self.motor.run()") for text in found)
    assert any(text.startswith("def stop(self):") and text.endswith("self.valve.close()") for text in found)


def test_small_neighbours_share_a_chunk(make):
    text = "\n\n".join(f"def f{n}():\n    return {n}" for n in range(6))
    found, _ = cut(make("code", 30), text, "small.py")
    assert 1 < len(found) < 6
    assert all(part.startswith("def f") for part in found)


SAMPLES = {
    "a.js": ("function first() {\n  return 1;\n}\n", "function second() {\n  return 2;\n}\n"),
    "a.ts": ("function first(): number {\n  return 1;\n}\n", "interface Second {\n  two: number;\n}\n"),
    "a.tsx": (
        "const First = () => {\n  return <b>one</b>;\n};\n",
        "const Second = () => {\n  return <i>two</i>;\n};\n",
    ),
    "a.go": ("func first() int {\n\treturn 1\n}\n", "func second() int {\n\treturn 2\n}\n"),
    "a.rs": ("fn first() -> i32 {\n    1\n}\n", "#[inline]\nfn second() -> i32 {\n    2\n}\n"),
    "A.java": ("class First {\n  int one = 1;\n}\n", "class Second {\n  int two = 2;\n}\n"),
    "a.c": ("int first(void) {\n  return 1;\n}\n", "int second(void) {\n  return 2;\n}\n"),
    "a.cpp": ("int first() {\n  return 1;\n}\n", "class Second {\n  int two = 2;\n};\n"),
    "a.cs": ("class First {\n  int one = 1;\n}\n", "class Second {\n  int two = 2;\n}\n"),
    "a.rb": ("def first\n  1\nend\n", "def second\n  2\nend\n"),
    "a.php": ("<?php\nfunction first() {\n  return 1;\n}\n", "function second() {\n  return 2;\n}\n"),
    "a.sh": ("first() {\n  echo 1\n}\n", "second() {\n  echo 2\n}\n"),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_every_grammar_keeps_definitions_whole(make, embedder, name):
    parts = SAMPLES[name]
    longest = max(map(embedder.count_tokens, parts))
    found, warnings = cut(make("code", longest), "".join(parts), name)
    assert warnings == []
    assert found == [part.strip() for part in parts]


def test_broken_code_is_cut_all_the_same(make):
    found, warnings = cut(make("code", 30), "def broken(:\n" + "    x = (1,\n" * 60, "broken.py")
    assert warnings == [] and len(found) > 3


def test_deep_nesting_ends_at_lines(make):
    found, _ = cut(make("code", 30), "x = (\n" * 3000 + "1\n" + ")\n" * 3000, "deep.py")
    assert "".join(found).count("(") == 3000


def test_a_language_without_a_grammar_is_cut_as_prose_and_says_so(make):
    _, warnings = cut(make("code"), "main = putStrLn greeting\n", "Main.hs")
    assert warnings == ["There is no grammar of Haskell. It was cut as prose."]


def test_a_grammar_that_is_not_installed_is_named_with_what_to_do(make, monkeypatch):
    monkeypatch.setitem(grammars.GRAMMARS, "Go", ("tree_sitter_that_is_not_there", "language"))
    (warning,) = cut(make("code"), SAMPLES["a.go"][0], "a.go")[1]
    assert "pip install 'guru[code]'" in warning


def test_code_that_is_too_long_is_not_parsed(make, monkeypatch):
    monkeypatch.setattr(syntax, "MAX_CHARACTERS", 10)
    assert "more than 10 characters" in cut(make("code"), PYTHON, "pumps.py")[1][0]


def test_prose_is_cut_recursively(make):
    text = "# Tea\n\n" + "Leaf. " * 20
    found, warnings = cut(make("code"), text, "tea.md")
    assert warnings == []
    assert found == cut(make("recursive"), text, "tea.md")[0]
