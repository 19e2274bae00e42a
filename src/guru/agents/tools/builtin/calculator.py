"""The calculator: exact, and shown as people write numbers."""

from __future__ import annotations

import asyncio
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Annotated, Any, Final

from msgspec import Meta

from guru.agents.tools.base import ToolResult
from guru.agents.tools.builtin.arithmetic import Number, bits
from guru.agents.tools.builtin.expression import evaluate
from guru.agents.tools.function import FunctionTool

SHOWN: Final = 1000
"""Digits of a whole number; of one with more the first and the last are shown."""
PLACES: Final = 30
"""Digits of a decimal fraction that does not end."""
SHORT: Final = 100
"""Bits of a fraction that is shown as one."""


def calculator() -> FunctionTool:
    return FunctionTool(calculate, name="calculator", timeout=10.0)


async def calculate(
    expression: Annotated[str, Meta(description="Such as (17 + 4) * 2.5, 17% of 230, sqrt(2), round(10/3, 2).")],
) -> ToolResult:
    """Work out an arithmetic expression exactly. Use it for every calculation.

    It knows + - * / // % ** ! and per cent, brackets, pi and e, and functions: sqrt, root, ln, log, exp, round, floor,
    ceil, gcd, lcm, comb, perm, min, max, sum, mean, median, stdev, sin, cos, tan and more.
    """
    value = await asyncio.to_thread(evaluate, expression)
    text, ends = shown(value)
    data: dict[str, Any] = {"value": text, "exact": value.exact}
    if ends:
        return ToolResult(text=text if value.exact else f"≈ {text}", data=data)
    if bits(value.value) > SHORT:
        return ToolResult(text=f"≈ {text}", data=data)
    data["fraction"] = f"{value.value.numerator}/{value.value.denominator}"
    return ToolResult(text=f"{data['fraction']} ≈ {text}", data=data)


def shown(number: Number) -> tuple[str, bool]:
    """A number in decimal digits, and whether those are all that it has; of one that is not exact, 15."""
    value = number.value
    if value.denominator == 1 and number.exact:
        return whole(value.numerator), True
    with localcontext() as context:
        context.Emax, context.Emin = 999_999, -999_999
        before = len_of(abs(value.numerator) // value.denominator)
        context.prec = PLACES + before if number.exact else 15
        found = Decimal(value.numerator) / Decimal(value.denominator)
        plain = -PLACES < found.adjusted() < (SHOWN if number.exact else context.prec)
        text = format(found.normalize(), "f" if plain else "e")
    return text, not number.exact or Fraction(found) == value


def len_of(value: int) -> int:
    """About how many decimal digits a whole number has."""
    return value.bit_length() * 30103 // 100_000 + 1


def whole(value: int) -> str:
    digits = len_of(value)
    if digits <= SHOWN:
        return str(value)
    sign, value = ("-" if value < 0 else ""), abs(value)
    head = value // 10 ** (digits - 40)
    tail = value % 10**20
    return f"{sign}{str(head)[:20]}...{tail:020d} ({digits:,} digits)"
