"""What is written reaches the disk: many files at the cost of a few."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

FEW: Final = 4
"""Files that are synchronised one by one: all that waits for the disk, of others too, would take longer."""


def make_durable(files: Sequence[Path]) -> None:
    """Have what was written to files of one file system survive a power cut. Blocks. Raises `OSError`.

    The journal of a file system is written once for each call of `fsync`, and once for `syncfs`, whatever it brings.
    """
    together = _syncfs() if len(files) > FEW else None
    for file in files if together is None else files[:1]:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            if together is None:
                os.fsync(descriptor)
            elif together(descriptor) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        finally:
            os.close(descriptor)


@cache
def _syncfs() -> Any:
    """syncfs(2), where it tells of writes that failed: in Linux since 5.8."""
    version = re.match(r"(\d+)\.(\d+)", platform.release())
    if sys.platform != "linux" or version is None or tuple(map(int, version.groups())) < (5, 8):
        return None
    return getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
