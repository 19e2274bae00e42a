"""The grammars of programming languages, from tree-sitter's own packages. They are the extra `guru[code]`."""

from __future__ import annotations

import importlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tree_sitter import Language, Node

_GRAMMARS: Final = {
    "Python": ("tree_sitter_python", "language"),
    "JavaScript": ("tree_sitter_javascript", "language"),
    "TypeScript": ("tree_sitter_typescript", "language_typescript"),
    "TSX": ("tree_sitter_typescript", "language_tsx"),
    "Java": ("tree_sitter_java", "language"),
    "Go": ("tree_sitter_go", "language"),
    "Rust": ("tree_sitter_rust", "language"),
    "C": ("tree_sitter_c", "language"),
    "C++": ("tree_sitter_cpp", "language"),
    "C#": ("tree_sitter_c_sharp", "language"),
    "Ruby": ("tree_sitter_ruby", "language"),
    "PHP": ("tree_sitter_php", "language_php"),
    "Shell": ("tree_sitter_bash", "language"),
}
"""By the names that `guru.knowledge.parse.code` gives: the module, and its function that gives the grammar."""


def knows(language: str) -> bool:
    """Whether there is a grammar of a language in the extra."""
    return language in _GRAMMARS


@lru_cache
def grammar(language: str) -> Language | None:
    """The grammar of a language that is known; None where it is not installed."""
    module, function = _GRAMMARS[language]
    try:
        from tree_sitter import Language as Made

        return Made(getattr(importlib.import_module(module), function)())
    except (ImportError, ValueError):  # ValueError: of another version than the library takes
        return None


def syntax_tree(grammar: Language, text: str) -> Node:
    """The root of the syntax tree of a text. What is wrong in it is a node of the type `ERROR`."""
    from tree_sitter import Parser

    tree: Any = Parser(grammar).parse(text.encode("utf-8", "replace"))
    root: Node = tree.root_node
    return root


def recipe() -> str:
    """What cutting code depends on beside the settings."""
    return "parsed" if grammar("Python") is not None else "unparsed"
