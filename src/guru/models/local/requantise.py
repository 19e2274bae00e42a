"""Q4_1 matrices of a GGUF file to Q8_0, which llama.cpp multiplies more than twice as fast on a CPU.

The values hardly change, as 8 bits hold what 4 bits and an offset say (KL divergence of the next token 0.06 nats for
SmolLM2-135M; to Q4_0 it is 1.4, and the text changes). Everything else in the file stays as it is, byte for byte.

Formats: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, blocks in ggml-common.h.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from msgspec import Struct

from guru.models.local import gguf

if TYPE_CHECKING:
    from numpy.typing import NDArray

Q4_1: Final = 3
Q8_0: Final = 8
WEIGHTS: Final = 32
"""Weights in a block."""
BLOCK_BYTES: Final = {0: 4 * WEIGHTS, 1: 2 * WEIGHTS, Q4_1: 20, Q8_0: 34}
"""Bytes of 32 weights, by type: fp32, fp16, and the two block formats."""
ALIGNMENT: Final = 32
ROWS: Final = 2**16
"""Blocks converted at once: bounds the memory."""


class Tensor(Struct):
    name: bytes
    shape: tuple[int, ...]
    kind: int
    offset: int

    def bytes_as(self, kind: int) -> int:
        weights = 1
        for size in self.shape:
            weights *= size
        return weights * BLOCK_BYTES[kind] // WEIGHTS


def requantise(source: Path, target: Path) -> None:
    """Write `source` to `target` with Q8_0 in the place of Q4_1. Raises `ModelError` when it is no such GGUF."""
    metadata, end = gguf.read_header(source)
    alignment = int(metadata.get("general.alignment") or ALIGNMENT)
    with source.open("rb") as reader, target.open("wb") as writer:
        head = reader.read(end)
        (count,) = struct.unpack_from("<Q", head, 8)
        tensors = [_read_tensor(reader) for _ in range(count)]
        data = _aligned(reader.tell(), alignment)
        writer.write(head)
        offset = 0
        for tensor in tensors:
            kind = _new_kind(tensor.kind)
            name = struct.pack("<Q", len(tensor.name)) + tensor.name
            dimensions = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
            writer.write(name + dimensions + struct.pack("<IQ", kind, offset))
            offset = _aligned(offset + tensor.bytes_as(kind), alignment)
        _pad(writer, alignment)
        for tensor in tensors:
            reader.seek(data + tensor.offset)
            _copy_tensor(reader, writer, tensor)
            _pad(writer, alignment)


def _copy_tensor(reader: BinaryIO, writer: BinaryIO, tensor: Tensor) -> None:
    left = tensor.bytes_as(tensor.kind)
    step = BLOCK_BYTES[tensor.kind] * ROWS
    while left:
        block = reader.read(min(step, left))
        if not block:
            raise gguf.broken(Path(reader.name))
        left -= len(block)
        writer.write(convert(block) if tensor.kind == Q4_1 else block)


def convert(blocks: bytes) -> bytes:
    """Q4_1 blocks (scale, minimum, 32 nibbles) to Q8_0 blocks (scale, 32 signed bytes)."""
    import numpy as np

    raw = np.frombuffer(blocks, np.uint8).reshape(-1, BLOCK_BYTES[Q4_1])
    scale, minimum = raw[:, :4].copy().view(np.float16).astype(np.float32).T
    nibbles = np.concatenate([raw[:, 4:] & 15, raw[:, 4:] >> 4], axis=1)
    weights: NDArray[Any] = nibbles * scale[:, None] + minimum[:, None]
    new = (np.abs(weights).max(axis=1) / 127).astype(np.float16)
    divisor = np.where(new > 0, new, 1).astype(np.float32)
    rounded = np.clip(np.rint(weights / divisor[:, None]), -127, 127).astype(np.int8)
    return np.concatenate([new[:, None].view(np.uint8), rounded.view(np.uint8)], axis=1).tobytes()


def _read_tensor(reader: BinaryIO) -> Tensor:
    (size,) = struct.unpack("<Q", reader.read(8))
    name = reader.read(size)
    (dimensions,) = struct.unpack("<I", reader.read(4))
    shape = struct.unpack(f"<{dimensions}Q", reader.read(8 * dimensions))
    kind, offset = struct.unpack("<IQ", reader.read(12))
    if kind not in BLOCK_BYTES:
        raise gguf.broken(Path(reader.name))
    return Tensor(name, shape, kind, offset)


def _new_kind(kind: int) -> int:
    return Q8_0 if kind == Q4_1 else kind


def _aligned(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment


def _pad(writer: BinaryIO, alignment: int) -> None:
    writer.write(bytes(_aligned(writer.tell(), alignment) - writer.tell()))
