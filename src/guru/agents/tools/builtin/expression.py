"""Reads an expression of arithmetic and works it out. No Python is run, so that there is nothing to escape from.

expression: term (("+" | "-") term)*
term:       factor (("*" | "/" | "//" | "%" | "of") factor)*
factor:     ("+" | "-") factor | postfix ("**" factor)?
postfix:    atom ("!" | "%")*
atom:       number | constant | function "(" expression ("," expression)* ")" | "(" expression ")"
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Final

from guru.agents.tools.builtin.arithmetic import (
    CONSTANTS,
    FUNCTIONS,
    Number,
    divide,
    factorial,
    modulo,
    number,
    power,
    wrong,
)

MAX_LENGTH: Final = 2000
MAX_DEPTH: Final = 60
MAX_STEPS: Final = 2000
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+(?:_\d+)*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4}(?!\d))?)"
    r"|(?P<name>[A-Za-zπ][A-Za-z_0-9]*)|(?P<sign>\*\*|//|[-+*/%^()!,×÷−·√]))"
)
_SIGNS: Final = {"×": "*", "·": "*", "÷": "/", "−": "-", "^": "**"}


def evaluate(expression: str) -> Number:
    """The value of an expression. Raises `InvalidParameter`, which says where it goes wrong."""
    if len(expression) > MAX_LENGTH:
        raise wrong(f"The expression is longer than {MAX_LENGTH:,} characters.", "Work it out in parts.")
    parser = _Parser(tokens(expression))
    value = parser.expression()
    if (left := parser.peek()) is not None:
        hint = "Write numbers without separators of thousands." if left == "," else "Write * to multiply."
        raise wrong(f"There is {left!r} where an operator should be.", hint)
    return value


def tokens(expression: str) -> list[str]:
    """The numbers, names and signs. Raises `InvalidParameter` for what is none of them."""
    found: list[str] = []
    place = 0
    text = expression.strip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise wrong(
                f"{text[place : place + 20]!r} cannot be read.",
                "Use numbers, + - * / // % **, ( ), and functions such as sqrt(2), round(x, 2), comb(49, 6).",
            )
        token = match[0].strip()
        found.append(_SIGNS.get(token, token))
        place = match.end()
    if not found:
        raise wrong("The expression is empty.", "Write one, such as 17 * 23.")
    return found


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0
        self._steps = 0

    def peek(self, ahead: int = 0) -> str | None:
        place = self._place + ahead
        return self._tokens[place] if place < len(self._tokens) else None

    def take(self) -> str:
        token = self.peek()
        if token is None:
            raise wrong("The expression ends too early.", "Finish it.")
        self._place += 1
        return token

    def accept(self, *wanted: str) -> str | None:
        return self.take() if self.peek() in wanted else None

    def count(self) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise wrong(f"It has more than {MAX_STEPS:,} operations.", "Work it out in parts.")

    def expression(self) -> Number:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise wrong("It is nested too deeply.", "Work it out in parts.")
        value = self.term()
        while sign := self.accept("+", "-"):
            self.count()
            right = self.term()
            value = number(value.value + right.value if sign == "+" else value.value - right.value, value, right)
        self._depth -= 1
        return value

    def term(self) -> Number:
        value = self.factor()
        while sign := self.accept("*", "/", "//", "%", "of", "mod"):
            self.count()
            value = OPERATIONS[sign](value, self.factor())
        return value

    def factor(self) -> Number:
        signs = 0
        while sign := self.accept("+", "-"):
            self.count()
            signs += sign == "-"
        value = power(self.factor(), Number(Fraction(1, 2))) if self.accept("√") else self.postfix()
        if self.accept("**"):
            self.count()
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise wrong("It is nested too deeply.", "Work it out in parts.")
            value = power(value, self.factor())
            self._depth -= 1
        return Number(-value.value, value.exact) if signs % 2 else value

    def postfix(self) -> Number:
        value = self.atom()
        while True:
            if self.accept("!"):
                self.count()
                value = factorial(value)
            elif self.peek() == "%" and not begins_value(self.peek(1)):
                self.take()
                value = number(value.value / 100, value)
            else:
                return value

    def atom(self) -> Number:
        word = self.take()
        if word == "(":
            value = self.expression()
            self.close()
            return value
        if word[0].isdigit() or word[0] == ".":
            return number(Fraction(word.replace("_", "")))
        if word in CONSTANTS:
            return CONSTANTS[word]
        if self.peek() == "(" and word[0].isalpha():
            return self.function(word)
        if word[0].isalpha():
            raise wrong(f"{word!r} has no value.", f"Put its value in. {nearest(word)}")
        raise wrong(f"There is {word!r} where a number should be.")

    def function(self, name: str) -> Number:
        if name not in FUNCTIONS:
            raise wrong(f"There is no function {name!r}.", nearest(name))
        least, most, work = FUNCTIONS[name]
        self.take()
        arguments = [self.expression()]
        while self.accept(","):
            arguments.append(self.expression())
        self.close()
        self.count()
        if not least <= len(arguments) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise wrong(f"{name} takes {wanted} arguments, not {len(arguments)}.")
        return work(*arguments)

    def close(self) -> None:
        if not self.accept(")"):
            raise wrong("A parenthesis is not closed.", "Add a ).")


def begins_value(word: str | None) -> bool:
    """Whether a `%` before this word divides with remainder: otherwise it is per cent."""
    return word is not None and word != "of" and (word[0].isalnum() or word[0] in ".(√π")


def nearest(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), [*FUNCTIONS, *CONSTANTS], n=1)
    return f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(FUNCTIONS)}."


def floor_divide(left: Number, right: Number) -> Number:
    return number(math.floor(divide(left, right).value), left, right)


def multiply(left: Number, right: Number) -> Number:
    return number(left.value * right.value, left, right)


OPERATIONS: Final[dict[str, Callable[[Number, Number], Number]]] = {
    "*": multiply, "of": multiply, "/": divide, "//": floor_divide, "%": modulo, "mod": modulo,
}  # fmt: skip
