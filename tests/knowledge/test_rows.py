import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from guru.knowledge.rows import dot, pack_vectors


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_a_packed_vector_keeps_its_cosines(seed, count):
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((count, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert np.abs(dot(pack_vectors(vectors), vectors[0]) - vectors @ vectors[0]).max() < 0.003
