"""Numbers that are fractions, as long as they can be, and functions of them: bounded in size before they are computed.

What cannot be exact (roots, logarithms) is computed with 50 digits; sines and their kind with the 15 of a float.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Final

from msgspec import Struct

from guru.errors import InvalidParameter

MAX_BITS: Final = 200_000
"""Of a numerator or denominator: some 60,000 digits."""
DIGITS: Final = 50
MAX_FACTORIAL: Final = 10_000
TOO_LARGE: Final = "Numbers have some 60,000 digits at most."


class Number(Struct, frozen=True):
    """A value, and whether it is what the expression says or only near it."""

    value: Fraction
    exact: bool = True


def wrong(message: str, hint: str = "Write another expression.") -> InvalidParameter:
    return InvalidParameter(message, hint=hint, param="expression")


def bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def number(value: Fraction | int, *of: Number) -> Number:
    """A value that comes of others: exact when they are. Raises `InvalidParameter` for one that is too large."""
    found = Fraction(value)
    if bits(found) > MAX_BITS:
        raise wrong("A number gets too large.", TOO_LARGE)
    return Number(found, all(item.exact for item in of))


def divide(left: Number, right: Number) -> Number:
    if right.value == 0:
        raise wrong("It divides by zero.")
    return number(left.value / right.value, left, right)


def modulo(left: Number, right: Number) -> Number:
    if right.value == 0:
        raise wrong("It divides by zero.")
    return number(left.value % right.value, left, right)


def power(base: Number, exponent: Number) -> Number:
    """`base ** exponent`, exact for whole exponents. The size is known before it is computed."""
    if exponent.value.denominator == 1:
        times = exponent.value.numerator
        if base.value == 0 and times < 0:
            raise wrong("It divides by zero.")
        if abs(base.value) in (0, 1):
            return number(base.value ** (times % 2 if times else 0) if base.value else int(not times), base, exponent)
        if bits(base.value) * abs(times) > MAX_BITS:
            raise wrong("A power gets too large.", TOO_LARGE)
        return number(base.value**times, base, exponent)
    if base.value < 0:
        raise wrong("A negative number has no real power of that exponent.")
    root = exact_root(base.value) if exponent.value == Fraction(1, 2) else None
    if root is not None:
        return number(root, base)
    return near(lambda: decimal(base) ** decimal(exponent))


def exact_root(value: Fraction) -> Fraction | None:
    """The square root where it is a fraction."""
    top, bottom = math.isqrt(value.numerator), math.isqrt(value.denominator)
    return Fraction(top, bottom) if top * top == value.numerator and bottom * bottom == value.denominator else None


def near(work: Callable[[], Decimal]) -> Number:
    """What can only be computed to some digits."""
    with localcontext() as context:
        context.prec, context.Emax, context.Emin = DIGITS, 50_000, -50_000
        try:
            found = +work()
        except (ArithmeticError, ValueError):
            raise wrong("That has no value, or one that is too large.") from None
        if not found.is_finite():
            raise wrong("That has no finite value.")
        return Number(number(Fraction(found)).value, exact=False)


def decimal(item: Number) -> Decimal:
    """The value in the digits of the context."""
    return Decimal(item.value.numerator) / Decimal(item.value.denominator)


def by_float(work: Callable[[float], float]) -> Callable[[Number], Number]:
    def run(item: Number) -> Number:
        try:
            return Number(Fraction(work(float(item.value))), exact=False)
        except (ValueError, OverflowError):
            raise wrong("That has no value, or one that is too large.") from None

    return run


def whole(item: Number, what: str) -> int:
    if item.value.denominator != 1:
        raise wrong(f"{what} wants whole numbers.")
    return item.value.numerator


def factorial(item: Number) -> Number:
    count = whole(item, "A factorial")
    if not 0 <= count <= MAX_FACTORIAL:
        raise wrong(f"Factorials are computed of 0 to {MAX_FACTORIAL:,}.")
    return number(math.factorial(count), item)


def choose(work: Callable[[int, int], int]) -> Callable[[Number, Number], Number]:
    """Combinations or permutations."""

    def run(total: Number, taken: Number) -> Number:
        first, second = whole(total, "Counting"), whole(taken, "Counting")
        if not (0 <= first <= MAX_FACTORIAL and 0 <= second <= MAX_FACTORIAL):
            raise wrong(f"Combinations are counted of 0 to {MAX_FACTORIAL:,}.")
        return number(work(first, second), total, taken)

    return run


def rounded(item: Number, digits: Number | None = None) -> Number:
    """To the nearest, halves away from zero, as people do."""
    places = whole(digits, "Rounding") if digits is not None else 0
    if abs(places) > 1000:
        raise wrong("Numbers are rounded to 1,000 digits at most.")
    scale = Fraction(10) ** places
    cut = math.floor(abs(item.value) * scale + Fraction(1, 2)) / scale
    return number(cut if item.value >= 0 else -cut, item)


def logarithm(item: Number, base: Number | None = None) -> Number:
    if item.value <= 0 or (base is not None and (base.value <= 0 or base.value == 1)):
        raise wrong("Logarithms are of numbers above zero, to a base above zero that is not 1.")
    if base is None:
        return near(lambda: decimal(item).ln())
    return near(lambda: decimal(item).ln() / decimal(base).ln())


def root(item: Number, degree: Number) -> Number:
    if degree.value == 0:
        raise wrong("There is no zeroth root.")
    odd = degree.value.denominator == 1 and degree.value.numerator % 2 == 1
    if item.value < 0 and odd:
        found = root(Number(-item.value, item.exact), degree)
        return Number(-found.value, found.exact)
    return power(item, divide(Number(Fraction(1)), degree))


def integers(work: Callable[..., int], what: str) -> Callable[..., Number]:
    return lambda *items: number(work(*(whole(item, what) for item in items)), *items)


def overall(work: Callable[[Sequence[Fraction]], Fraction]) -> Callable[..., Number]:
    return lambda *items: number(work([item.value for item in items]), *items)


def deviation(*items: Number) -> Number:
    """The sample standard deviation."""
    if len(items) < 2:
        raise wrong("A deviation wants two numbers at least.")
    return power(number(statistics.variance([item.value for item in items]), *items), Number(Fraction(1, 2)))


PI: Final = Number(Fraction("3.14159265358979323846264338327950288419716939937511"), exact=False)
E: Final = Number(Fraction("2.71828182845904523536028747135266249775724709369996"), exact=False)
CONSTANTS: Final = {"pi": PI, "π": PI, "e": E, "tau": Number(PI.value * 2, exact=False)}
TWO: Final = Number(Fraction(2))
MANY: Final = 1000
FUNCTIONS: Final[dict[str, tuple[int, int, Callable[..., Number]]]] = {
    "abs": (1, 1, lambda item: number(abs(item.value), item)),
    "sqrt": (1, 1, lambda item: root(item, TWO)),
    "cbrt": (1, 1, lambda item: root(item, Number(Fraction(3)))),
    "root": (2, 2, root),
    "pow": (2, 2, power),
    "exp": (1, 1, lambda item: near(lambda: decimal(item).exp())),
    "ln": (1, 1, logarithm),
    "log": (1, 2, logarithm),
    "log2": (1, 1, lambda item: logarithm(item, TWO)),
    "log10": (1, 1, lambda item: logarithm(item, Number(Fraction(10)))),
    "floor": (1, 1, lambda item: number(math.floor(item.value), item)),
    "ceil": (1, 1, lambda item: number(math.ceil(item.value), item)),
    "trunc": (1, 1, lambda item: number(math.trunc(item.value), item)),
    "round": (1, 2, rounded),
    "mod": (2, 2, modulo),
    "gcd": (1, MANY, integers(math.gcd, "A divisor")),
    "lcm": (1, MANY, integers(math.lcm, "A multiple")),
    "factorial": (1, 1, factorial),
    "comb": (2, 2, choose(math.comb)),
    "perm": (2, 2, choose(math.perm)),
    "min": (1, MANY, overall(min)),
    "max": (1, MANY, overall(max)),
    "sum": (1, MANY, overall(lambda values: sum(values, Fraction(0)))),
    "mean": (1, MANY, overall(lambda values: sum(values, Fraction(0)) / len(values))),
    "median": (1, MANY, overall(lambda values: Fraction(statistics.median(values)))),
    "stdev": (2, MANY, deviation),
    "sin": (1, 1, by_float(math.sin)),
    "cos": (1, 1, by_float(math.cos)),
    "tan": (1, 1, by_float(math.tan)),
    "asin": (1, 1, by_float(math.asin)),
    "acos": (1, 1, by_float(math.acos)),
    "atan": (1, 1, by_float(math.atan)),
    "degrees": (1, 1, by_float(math.degrees)),
    "radians": (1, 1, by_float(math.radians)),
}
"""By name: how many arguments at least and at most, and what is done with them."""
