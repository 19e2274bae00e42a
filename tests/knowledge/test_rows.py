import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from guru.knowledge.rows import coarse_of, dot, fine_of, pack_fine, pack_vectors, read_fine, split_fine, unpack_vectors


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_a_packed_vector_keeps_its_cosines(seed, count):
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((count, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert np.abs(dot(pack_vectors(vectors), vectors[0]) - vectors @ vectors[0]).max() < 0.003


floats = st.floats(-10, 10, width=32)


@given(st.integers(1, 40).flatmap(lambda n: st.lists(st.lists(floats, min_size=n, max_size=n), min_size=1, max_size=5)))
def test_a_fine_vector_is_256_times_as_fine_and_the_same_when_it_is_packed_again(listed):
    vectors = np.array(listed, np.float32)
    fine = pack_fine(vectors)
    assert coarse_of(fine).tobytes() == pack_vectors(vectors).tobytes()
    steps = fine["scale"][:, None]
    assert (np.abs(unpack_vectors(fine) - vectors) <= steps / 200).all()  # half a step of 256, and one at its end
    again = pack_fine(unpack_vectors(fine))
    assert np.array_equal(again["values"], fine["values"])
    assert np.array_equal(again["residual"], fine["residual"])


def test_fine_vectors_are_read_from_their_two_columns_also_where_one_is_missing():
    vectors = np.random.default_rng(0).standard_normal((4, 16)).astype(np.float32)
    fine = pack_fine(vectors)
    blobs, residuals = zip(*(split_fine(vector) for vector in fine), strict=True)
    assert read_fine(blobs, residuals).tobytes() == fine.tobytes()
    assert np.array_equal(dot(fine, vectors[0]), dot(read_fine(blobs, residuals), vectors[0]))
    # Of an earlier version, of a change of models by it, and of a model of another dimension.
    read = read_fine(blobs, [residuals[0], None, b"", bytes([1] * 8)])
    assert np.array_equal(read[0], fine[0])
    assert read[1:].tobytes() == fine_of(coarse_of(fine), [])[1:].tobytes()
    assert len(read_fine([], [])) == 0
