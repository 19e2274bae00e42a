"""State that a client carries: nobody changes it, nobody else uses it, and it ends."""

import base64

import pytest

from guru.agents.mcp.protocol import McpError
from guru.agents.mcp.serving.seal import SECONDS, Seal


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def test_it_opens_for_what_it_was_made_for():
    seal = Seal(b"k" * 32)
    assert seal.open(seal.close({"a": [1]}, purpose="p"), purpose="p") == {"a": [1]}


def test_no_letter_of_it_can_be_another():
    seal = Seal(b"k" * 32)
    for length in range(3):  # which decides how many bits of the last letter mean nothing
        sealed = seal.close({"a": "x" * length}, purpose="p")
        for place, letter in enumerate(sealed):
            for other in {"A", "B", "g", "="} - {letter}:
                with pytest.raises(McpError):
                    seal.open(sealed[:place] + other + sealed[place + 1 :], purpose="p")


def test_it_does_not_open_for_anything_else():
    seal = Seal(b"k" * 32)
    sealed = seal.close({"a": 1}, purpose="p")
    raw = bytearray(base64.urlsafe_b64decode(sealed))
    for place in range(0, len(raw), 7):
        changed = bytearray(raw)
        changed[place] ^= 1
        with pytest.raises(McpError):
            seal.open(base64.urlsafe_b64encode(bytes(changed)).decode(), purpose="p")
    for wrong in ("", "x", "!", sealed[:-4], None, 3, {}, "ä"):
        with pytest.raises(McpError):
            seal.open(wrong, purpose="p")
    with pytest.raises(McpError):
        seal.open(sealed, purpose="q")
    with pytest.raises(McpError):
        Seal(b"x" * 32).open(sealed, purpose="p")


def test_it_ends():
    clock = Clock()
    seal = Seal(b"k" * 32, clock=clock)
    sealed = seal.close({}, purpose="p")
    clock.now += SECONDS - 1
    assert seal.open(sealed, purpose="p") == {}
    clock.now += 2
    with pytest.raises(McpError, match="too late"):
        seal.open(sealed, purpose="p")
