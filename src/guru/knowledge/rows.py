"""How a passage is kept in its row: arrays as blobs, little-endian, ready to be read many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

if TYPE_CHECKING:
    from numpy.typing import NDArray


_SCALE_BYTES: Final = 4
RESIDUAL_STEPS: Final = 256
SENTENCE_COLUMNS: Final = ("sentences", "sentence_terms", "sentence_vectors")


def vector_type(dimension: int) -> Any:
    """A vector as signed bytes and the factor that turns them back into floats."""
    import numpy as np

    return np.dtype([("scale", "<f4"), ("values", "i1", (dimension,))])


def fine_type(dimension: int) -> Any:
    """The same with a second signed byte for each number: 256 of its steps are one of the first's."""
    import numpy as np

    return np.dtype([("scale", "<f4"), ("values", "i1", (dimension,)), ("residual", "i1", (dimension,))])


def pack_vectors(vectors: NDArray[Any]) -> NDArray[Any]:
    """Quantise float vectors, shape (n, dimension), each with a scale of its own.

    A cosine computed from the result is off by less than 0.003 for 384 dimensions.
    """
    import numpy as np

    packed = np.zeros(len(vectors), vector_type(vectors.shape[1]))
    scale = np.abs(vectors).max(axis=1, initial=1e-12) / 127
    packed["scale"] = scale
    packed["values"] = np.rint(vectors / scale[:, None])
    return packed


def pack_fine(vectors: NDArray[Any]) -> NDArray[Any]:
    """The same, with what `pack_vectors` rounds off (residual quantisation): 16 bits for each number.

    A cosine computed from the result is off by 0.000002 or so for 384 dimensions, a fifth of what float16 would cost
    in the same room.
    """
    import numpy as np

    coarse = pack_vectors(vectors)
    packed = fine_of(coarse, [])
    rest = vectors / coarse["scale"][:, None] - coarse["values"]
    # Not half a step, which the first byte may round either way: packed again, a vector has the same two.
    packed["residual"] = np.rint(rest * RESIDUAL_STEPS).clip(-127, 127)
    return packed


def fine_of(packed: NDArray[Any], residuals: Sequence[bytes | None]) -> NDArray[Any]:
    """Packed vectors with their residuals; those that have none of their own length are taken as they are."""
    import numpy as np

    count, dimension = packed["values"].shape
    fine = np.zeros(count, fine_type(dimension))
    fine["scale"], fine["values"] = packed["scale"], packed["values"]
    if residuals:
        none = bytes(dimension)
        blobs = b"".join(blob if blob and len(blob) == dimension else none for blob in residuals)
        fine["residual"] = np.frombuffer(blobs, "i1").reshape(count, dimension)
    return fine


def coarse_of(packed: NDArray[Any]) -> NDArray[Any]:
    """Packed vectors without their residuals."""
    import numpy as np

    coarse = np.empty(len(packed), vector_type(packed["values"].shape[1]))
    coarse["scale"], coarse["values"] = packed["scale"], packed["values"]
    return coarse


def split_fine(packed: Any) -> tuple[bytes, bytes]:
    """The packed vector and the residual of one fine vector: what stands in two columns of a row."""
    blob = packed.tobytes()
    size = _SCALE_BYTES + dimension_of_fine(blob)
    return blob[:size], blob[size:]


def unpack_vectors(packed: NDArray[Any]) -> NDArray[Any]:
    """The float32 vectors, shape (n, dimension), as fine as they are. To pack them again makes the same bytes, but for
    the last bit of a scale."""
    import numpy as np

    return np.asarray(_steps(packed) * packed["scale"][:, None])


def _steps(packed: NDArray[Any]) -> NDArray[Any]:
    """Vectors in units of their scales, float32."""
    import numpy as np

    steps: NDArray[Any] = packed["values"].astype(np.float32)
    if "residual" in (packed.dtype.names or ()):
        steps += packed["residual"] * np.float32(1 / RESIDUAL_STEPS)
    return steps


def read_vectors(blobs: Sequence[bytes]) -> NDArray[Any]:
    """Packed vectors from the blobs of their rows, which are of one model."""
    import numpy as np

    return np.frombuffer(b"".join(blobs), vector_type(dimension_of(blobs[0]) if blobs else 0))


def read_fine(vectors: Sequence[bytes], residuals: Sequence[bytes | None]) -> NDArray[Any]:
    """Fine vectors from the blobs of their rows, which are of one model; see `fine_of`."""
    return fine_of(read_vectors(vectors), residuals)


def dimension_of(vector: bytes) -> int:
    """Of a packed vector."""
    return len(vector) - _SCALE_BYTES


def dimension_of_fine(vector: bytes) -> int:
    """Of a fine one."""
    return (len(vector) - _SCALE_BYTES) // 2


def dot(packed: NDArray[Any], query: NDArray[Any]) -> NDArray[Any]:
    """Cosines, float32, shape (n,), of packed unit vectors with a unit `query`, in blocks that stay in cache."""
    import numpy as np

    result = np.empty(len(packed), np.float32)
    for start in range(0, len(packed), 1024):
        block = packed[start : start + 1024]
        result[start : start + 1024] = (_steps(block) @ query) * block["scale"]
    return result


class StoredSentences(Struct, frozen=True):
    """The sentences of some passages, one after the other."""

    spans: NDArray[Any]
    """Offsets in the document, shape (n, 2)."""
    vectors: NDArray[Any]
    """Packed."""
    terms: NDArray[Any]
    """Hashes (32 bits) of the terms of all sentences in the order of the text."""
    sentence_of_term: NDArray[Any]
    """The number of the sentence that each of `terms` stands in."""
    starts: NDArray[Any]
    """Where each passage's sentences begin."""


class PackedSentences:
    """The sentences of a document, to be stored with each of the passages that they stand in."""

    def __init__(self, spans: Sequence[tuple[int, int]], terms: Sequence[Sequence[int]], vectors: NDArray[Any]) -> None:
        """Their places in the text, the hashes of their terms, and their vectors, packed; no residuals are kept."""
        import numpy as np

        counts = [len(found) for found in terms]
        self._rows = np.array([(*span, count) for span, count in zip(spans, counts, strict=True)], "<i4")
        self._ends = [0, *accumulate(counts)]
        self._terms = np.fromiter(chain.from_iterable(terms), "<u8", self._ends[-1]).astype("<u4")  # see `short_hash`
        self._vectors = coarse_of(vectors)

    def blobs(self, places: Sequence[int]) -> dict[str, bytes]:
        """The columns of a passage that has the sentences at `places`: start, end and number of terms of each, the
        terms, and the vectors."""
        import numpy as np

        first, last = places[0], places[-1] + 1
        if last - first == len(places):  # one after the other, as nearly always
            terms = self._terms[self._ends[first] : self._ends[last]]
            found = (self._rows[first:last], terms, self._vectors[first:last])
        else:
            terms = np.concatenate([self._terms[self._ends[place] : self._ends[place + 1]] for place in places])
            found = (self._rows[places], terms, self._vectors[places])
        return {name: array.tobytes() for name, array in zip(SENTENCE_COLUMNS, found, strict=True)}


def short_hash(term: int) -> int:
    """The 32 bits of a term's hash that are kept for its place in a sentence."""
    return term & 0xFFFFFFFF


def unpack_sentences(rows: Sequence[Any], dimension: int) -> StoredSentences:
    """Read the rows (`sentences`, `sentence_terms`, `sentence_vectors`) of some passages, each with a sentence."""
    import numpy as np

    sentences, terms, vectors = ([getattr(row, name) for row in rows] for name in SENTENCE_COLUMNS)
    table = np.frombuffer(b"".join(sentences), "<i4").reshape(-1, 3)
    counts = [len(blob) // 12 for blob in sentences]
    return StoredSentences(
        spans=table[:, :2],
        vectors=np.frombuffer(b"".join(vectors), vector_type(dimension)),
        terms=np.frombuffer(b"".join(terms), "<u4"),
        sentence_of_term=np.repeat(np.arange(len(table)), table[:, 2]),
        starts=np.cumsum([0, *counts[:-1]]),
    )
