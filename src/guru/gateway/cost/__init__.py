"""What requests cost: prices, tokens, and the ledger that says who used how much."""

from guru.gateway.cost.prices import Prices
from guru.gateway.cost.rates import Rates

__all__ = ["Prices", "Rates"]
