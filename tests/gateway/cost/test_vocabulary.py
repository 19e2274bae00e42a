"""The compact vocabulary answers as a dictionary of ranks would."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from guru.gateway.cost.vocabulary import Vocabulary

TOKEN = st.binary(min_size=1, max_size=255)


@given(st.lists(TOKEN, max_size=60, unique=True), st.lists(TOKEN | st.just(b""), max_size=20))
def test_it_answers_as_a_dictionary_would(tokens: list[bytes], others: list[bytes]) -> None:
    vocabulary = Vocabulary(b"".join(tokens), bytes(map(len, tokens)))
    ranks = {token: rank for rank, token in enumerate(tokens)}
    assert list(vocabulary) == tokens
    assert len(vocabulary) == len(tokens)
    for piece in [*tokens, *others]:
        assert vocabulary.get(piece) == ranks.get(piece)
        assert (piece in vocabulary) == (piece in ranks)
