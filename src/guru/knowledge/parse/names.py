"""What a name says about a file that was found beside others, in a folder or an archive: whether it is passed over."""

from __future__ import annotations

from typing import Final

from guru.knowledge.parse.ocr import INSTALL, can_recognize

PICTURES: Final = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"})
"""Read by OCR, where it is there."""
ARCHIVES: Final = frozenset({".zip"})
# Never documents; in a folder they are passed over, named explicitly they fail with what they are.
_NOT_DOCUMENTS: Final = """
.gif .bmp .ico .svg .heic .psd .mp3 .wav .flac .ogg .m4a .mp4 .mov .avi .mkv .webm
.gz .tgz .bz2 .xz .7z .rar .zst .tar .jar .whl .exe .dll .so .dylib .o .a .class .pyc .bin .iso .dmg .woff .woff2
.ttf .otf .eot .db .sqlite .sqlite3 .pickle .pkl .npy .npz .parquet .onnx .gguf .safetensors .pt
"""
_NOT_DOCUMENT_SUFFIXES: Final = frozenset(_NOT_DOCUMENTS.split())
_NOT_FOLDERS: Final = frozenset({"node_modules", "__pycache__", "__MACOSX"})


def suffix(name: str) -> str:
    """The ending of a name in small letters, with its dot."""
    last = last_part(name)
    dot = last.rfind(".")
    return last[dot:].lower() if 0 < dot < len(last) - 1 else ""


def last_part(name: str) -> str:
    """Of a name, what stands behind its folders."""
    return name[name.rfind("/") + 1 :]


def is_archive(name: str) -> bool:
    return suffix(name) in ARCHIVES


def is_picture(name: str) -> bool:
    return suffix(name) in PICTURES


def file_reason(name: str) -> str | None:
    """Why a file that was not asked for by its name is passed over; None: it may be a document."""
    if last_part(name).startswith((".", "~$")):
        return "It is hidden."
    if suffix(name) in _NOT_DOCUMENT_SUFFIXES:
        return f"A {suffix(name)} file is not a document with text."
    if is_picture(name) and not can_recognize():
        return f"It is a picture. {INSTALL}"
    return None


def folder_reason(name: str) -> str | None:
    """Why a folder is passed over, with all that is in it."""
    if name.startswith("."):
        return "It is hidden."
    return "It holds no documents." if name in _NOT_FOLDERS else None
