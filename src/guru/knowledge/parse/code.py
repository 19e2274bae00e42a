"""Source code: the text is the file as it is; top-level definitions are its headings; its grammar gives its parts."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from guru.knowledge.parse.builder import check_length, clean
from guru.knowledge.parse.document import HeadingSpan, Limits, ParsedDocument
from guru.knowledge.parse.encoding import decode
from guru.knowledge.parse.syntax import syntax_parts

LANGUAGES = {
    "py": "Python", "pyi": "Python", "js": "JavaScript", "mjs": "JavaScript", "cjs": "JavaScript", "jsx": "JavaScript",
    "ts": "TypeScript", "tsx": "TypeScript", "java": "Java", "kt": "Kotlin", "kts": "Kotlin", "scala": "Scala",
    "go": "Go", "rs": "Rust", "c": "C", "h": "C", "cc": "C++", "cpp": "C++", "cxx": "C++", "hpp": "C++", "hh": "C++",
    "cs": "C#", "rb": "Ruby", "php": "PHP", "swift": "Swift", "m": "Objective-C", "lua": "Lua", "pl": "Perl",
    "pm": "Perl", "r": "R", "jl": "Julia", "ex": "Elixir", "exs": "Elixir", "erl": "Erlang", "hs": "Haskell",
    "clj": "Clojure", "dart": "Dart", "sh": "Shell", "bash": "Shell", "zsh": "Shell", "ps1": "PowerShell", "sql": "SQL",
    "css": "CSS", "scss": "CSS", "vue": "Vue", "svelte": "Svelte", "tf": "Terraform", "proto": "Protocol Buffers",
    "yaml": "YAML", "yml": "YAML", "toml": "TOML", "ini": "INI", "cfg": "INI", "conf": "Configuration", "xml": "XML",
    "tex": "LaTeX", "graphql": "GraphQL", "Makefile": "Make", "Dockerfile": "Dockerfile",
}  # fmt: skip

_NAME = r"(?P<name>[\w$.~]+(?:::?[\w$.~]+)*)"
_C_LIKE = rf"^[A-Za-z_][\w:<>,*&\[\] \t]{{0,200}}?[ \t*&]{_NAME}[ \t]*\([^;\n]*$"
_TYPES = (
    rf"^(?:[\w@]+[ \t]+)*(?:class|interface|enum|struct|trait|record|object|namespace|protocol|extension)[ \t]+{_NAME}"
)
_FUNCTIONS = rf"^(?:[\w@]+[ \t]+)*(?:func|fn|fun|def|sub|function\*?)[ \t]+(?:\([^)]*\)[ \t]*)?{_NAME}"
_ARROW = rf"^(?:export[ \t]+)?(?:const|let|var)[ \t]+{_NAME}[ \t]*=[ \t]*(?:async[ \t]*)?(?:\(|function)"
_PATTERNS = {
    "Python": [rf"^(?:async[ \t]+)?(?:def|class)[ \t]+{_NAME}"],
    "JavaScript": [_TYPES, _FUNCTIONS, _ARROW],
    "Go": [_FUNCTIONS, rf"^type[ \t]+{_NAME}"],
    "Rust": [_TYPES, r"^(?:pub(?:\([^)]*\))?[ \t]+)?(?:(?:async|unsafe|const)[ \t]+)*(?:fn|mod)[ \t]+(?P<name>\w+)",
             r"^impl(?:<[^>]*>)?[ \t]+(?P<name>[^{\n]+?)[ \t]*\{"],
    "C": [_TYPES, _C_LIKE],
    "C++": [_TYPES, _C_LIKE],
    "Ruby": [r"^(?:class|module|def)[ \t]+(?P<name>[\w.:?!]+)"],
    "Elixir": [r"^(?:defmodule|def)[ \t]+(?P<name>[\w.?!]+)"],
    "Shell": [r"^(?:function[ \t]+)?(?P<name>[\w-]+)[ \t]*\(\)"],
    "SQL": [r"(?i)^create[ \t]+(?:\w+[ \t]+)*?(?:table|view|function|procedure|index)[ \t]+"
            r"(?:if[ \t]+not[ \t]+exists[ \t]+)?(?P<name>[\w.\"`]+)"],
    "LaTeX": [r"^\\(?:chapter|(?:sub)*section)\*?\{(?P<name>[^}\n]+)\}"],
    "TOML": [r"^\[+(?P<name>[^\]\n]+)\]+"],
    "INI": [r"^\[(?P<name>[^\]\n]+)\]"],
    "Make": [r"^(?P<name>[\w./-]+)[ \t]*:(?!=)"],
}  # fmt: skip
_PATTERNS["TypeScript"] = [*_PATTERNS["JavaScript"], rf"^(?:export[ \t]+)?type[ \t]+{_NAME}"]
_DEFAULT = [_TYPES, _FUNCTIONS]
_WITHOUT_HEADINGS = {"YAML", "XML", "CSS", "Configuration", "Dockerfile"}


def language_name(name: str) -> str | None:
    """The programming language of a file called `name`."""
    path = PurePosixPath(name)
    return LANGUAGES.get(path.name) or LANGUAGES.get(path.suffix.lower().lstrip("."))


def parse_code(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Decode source code and note where top-level definitions begin. Raises `UnreadableDocument`."""
    text, warnings = decode(data)
    text = clean(text)
    check_length(len(text), limits)
    language = language_name(name) or "Text"
    return ParsedDocument(
        text=text,
        media_type="text/plain",
        title=PurePosixPath(name).name,
        headings=[] if language in _WITHOUT_HEADINGS else _definitions(text, _PATTERNS.get(language, _DEFAULT)),
        syntax=syntax_parts(text, "TSX" if name.lower().endswith(".tsx") else language),
        metadata={"language_name": language},
        warnings=warnings,
    )


def _definitions(text: str, patterns: list[str]) -> list[HeadingSpan]:
    found: dict[int, str] = {}
    for pattern in patterns:
        for match in re.finditer(pattern, text, re.MULTILINE):
            found.setdefault(match.start(), match.group("name").strip())
    return [HeadingSpan(1, title, start) for start, title in sorted(found.items())]
