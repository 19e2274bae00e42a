"""The grammars of programming languages, from tree-sitter's own packages. They are the extra `guru[code]`."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tree_sitter import Language

GRAMMARS: Final = {
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
"""By the names that `code.language_name` gives: the module, and its function that gives the grammar."""


def installed(language: str) -> bool:
    """Whether the grammar of a language that has one is there."""
    return find_spec("tree_sitter") is not None and find_spec(GRAMMARS[language][0]) is not None


def grammar(language: str) -> Language | None:
    """The grammar of a language; None where there is none or it is not installed."""
    if language not in GRAMMARS:
        return None
    module, function = GRAMMARS[language]
    try:
        from tree_sitter import Language as Made

        return Made(getattr(importlib.import_module(module), function)())
    except (ImportError, ValueError):  # ValueError: of another version than the library takes
        return None
