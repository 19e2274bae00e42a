"""The header of a GGUF file: what the model says about itself.

Spec: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Tensors are not read.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO, Final

from guru.errors import ModelError

MAGIC: Final = b"GGUF"
SCALARS: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING: Final = 8
ARRAY: Final = 9
LONGEST_ARRAY: Final = 64
"""Longer arrays (vocabularies) are skipped."""


def read_metadata(path: Path) -> dict[str, Any]:
    """All keys but the long arrays, which are None. Raises `ModelError` when the file is no GGUF or is cut."""
    return read_header(path)[0]


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The metadata as `read_metadata`, and the position of the first byte after it."""
    try:
        with path.open("rb") as file:
            if file.read(4) != MAGIC:
                raise ModelError(f"{path.name} is no GGUF file.", hint="Guru runs models in the GGUF format.")
            version, _tensors, keys = struct.unpack("<IQQ", file.read(20))
            if version not in (2, 3):
                raise ModelError(f"{path.name} has GGUF version {version}.", hint="Guru reads versions 2 and 3.")
            return dict(_read_pair(file) for _ in range(keys)), file.tell()
    except (struct.error, KeyError, UnicodeDecodeError, MemoryError, OverflowError, ValueError):
        raise broken(path) from None


def broken(path: Path) -> ModelError:
    hint = "The file is broken or cut: remove the model and pull it again."
    return ModelError(f"The header of {path.name} cannot be read.", hint=hint)


def context_length(metadata: dict[str, Any]) -> int | None:
    """The longest context that the model was trained for, in tokens."""
    value = metadata.get(f"{metadata.get('general.architecture')}.context_length")
    return value if isinstance(value, int) else None


def chat_template(metadata: dict[str, Any]) -> str:
    """The model's Jinja template; empty when it has none."""
    return str(metadata.get("tokenizer.chat_template") or "")


def _read_pair(file: BinaryIO) -> tuple[str, Any]:
    key = _read_string(file)
    (kind,) = struct.unpack("<I", file.read(4))
    return key, _read_value(file, kind)


def _read_value(file: BinaryIO, kind: int) -> Any:
    if kind == STRING:
        return _read_string(file)
    if kind == ARRAY:
        return _read_array(file)
    layout = "<" + SCALARS[kind]
    return struct.unpack(layout, file.read(struct.calcsize(layout)))[0]


def _read_array(file: BinaryIO) -> list[Any] | None:
    kind, count = struct.unpack("<IQ", file.read(12))
    if count <= LONGEST_ARRAY:
        return [_read_value(file, kind) for _ in range(count)]
    if kind == STRING:
        for _ in range(count):
            (size,) = struct.unpack("<Q", file.read(8))
            file.seek(size, 1)
    else:
        file.seek(count * struct.calcsize("<" + SCALARS[kind]), 1)
    return None


def _read_string(file: BinaryIO) -> str:
    (size,) = struct.unpack("<Q", file.read(8))
    return file.read(size).decode("utf-8")
