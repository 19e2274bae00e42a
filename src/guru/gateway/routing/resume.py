"""A stream that was cut and is begun anew (`retry_after_first_token`): what was already sent is left out.

Models seldom say the same twice, so this helps where they do: at temperature 0, with a seed, from a cache of the
provider. As soon as the second answer differs from what the caller has, the stream ends with `StreamCut`: two halves
of different answers are no answer. Tool calls, several choices and log probabilities cannot be compared piece by
piece: an answer that has sent such ends with the error that cut it.
"""

from __future__ import annotations

from guru.errors import StreamCut
from guru.types import Delta, Event


class Sent:
    """The text and the reasoning that the caller has."""

    def __init__(self) -> None:
        self.can_begin_anew = True
        self._texts = {"text": "", "reasoning": ""}
        self._positions = {"text": 0, "reasoning": 0}

    def begin_anew(self) -> None:
        """What follows is the beginning of a second answer."""
        self._positions = {"text": 0, "reasoning": 0}

    def pass_on(self, event: Event) -> Event | None:
        """What of `event` the caller does not have yet. Raises `StreamCut` when it has something else."""
        if type(event) is not Delta:
            if any(self._positions[kind] < len(text) for kind, text in self._texts.items()):
                self.can_begin_anew = False
                raise differs()
            return event
        if event.index or event.tool_calls or event.logprobs or event.thinking_block or event.refusal or event.extra:
            self.can_begin_anew = False
        text, reasoning = self._new("text", event.text), self._new("reasoning", event.reasoning)
        if text == event.text and reasoning == event.reasoning:
            return event
        return Delta(index=event.index, text=text, reasoning=reasoning) if text or reasoning else None

    def _new(self, kind: str, piece: str) -> str:
        """The end of `piece` that goes beyond what was sent."""
        sent, position = self._texts[kind], self._positions[kind]
        known = sent[position : position + len(piece)]
        if not piece.startswith(known):
            self.can_begin_anew = False
            raise differs()
        self._positions[kind] = position + len(piece)
        self._texts[kind] = sent + piece[len(known) :]
        return piece[len(known) :]


def differs() -> StreamCut:
    return StreamCut(
        "The answer was cut, and the second one began differently.", hint="Ask again; what came so far is incomplete."
    )
