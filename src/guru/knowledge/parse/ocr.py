"""Text in pictures, by Tesseract (https://tesseract-ocr.github.io), where its command is installed.

It takes seconds for a page, so that a file in need of it is first sent back (`NeedsRecognition`) and then parsed with
the time that recognition may take.
"""

from __future__ import annotations

import ctypes
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from guru.errors import UnreadableDocument
from guru.knowledge.parse.builder import squeeze

if TYPE_CHECKING:
    from guru.knowledge.parse.document import Limits

COMMAND: Final = "tesseract"
INSTALL: Final = "To read text in pictures, install Tesseract where Guru runs, such as `apt install tesseract-ocr`."
MAX_PIXELS: Final = 40_000_000
"""Of one page: A3 at 400 dots per inch has 31 million."""
_PDEATHSIG: Final = 1
_NO_LANGUAGE: Final = "Failed loading language"
_PARAGRAPHS = re.compile(r"\n\s*\n")


class NoText(UnreadableDocument):
    """A picture that shows no text: the same bytes will show none the next time either."""


class NeedsRecognition(Exception):
    """The file has text in pictures: parse it again with `Limits.ocr_seconds`."""


def can_recognize() -> bool:
    """Whether Tesseract is installed."""
    return shutil.which(COMMAND) is not None


def installed_languages() -> list[str]:
    """Tesseract's names of the languages that it has. Blocks for a moment. Raises `OSError` where it does not run."""
    command = shutil.which(COMMAND) or COMMAND
    done = subprocess.run([command, "--list-langs"], capture_output=True, timeout=10, check=False)  # noqa: S603
    return done.stdout.decode("utf-8", "replace").splitlines()[1:]  # after a line that says how many


class Recognizer:
    """Recognises the pages of one file, within `limits.ocr_seconds` for all of them.

    Raises `NeedsRecognition` where `limits` leave no time for it, and `UnreadableDocument` where it is turned off or
    Tesseract is missing.
    """

    def __init__(self, limits: Limits) -> None:
        if not limits.ocr_languages:
            raise UnreadableDocument(
                "Its text is in pictures, and reading them is turned off.", hint="Set [knowledge] ocr_languages."
            )
        command = shutil.which(COMMAND)
        if command is None:
            raise UnreadableDocument("Its text is in pictures, which need OCR.", hint=INSTALL)
        if limits.ocr_seconds <= 0:
            raise NeedsRecognition
        self._languages = "+".join(limits.ocr_languages)
        self._command = [command, "stdin", "stdout", "-l", self._languages]
        self._seconds = limits.ocr_seconds
        self._end = time.monotonic() + limits.ocr_seconds

    def paragraphs(self, image: Any) -> list[str]:
        """The text of a page, a PIL image, paragraph by paragraph; empty when there is none. Raises
        `UnreadableDocument`."""
        picture = io.BytesIO()
        image.save(picture, "PNG", compress_level=1)
        result = self._run([*self._command, "--dpi", str(_dots_per_inch(image))], picture.getvalue())
        text = result.decode("utf-8", "replace").replace("\f", "\n\n")
        return [paragraph for part in _PARAGRAPHS.split(text) if (paragraph := squeeze(part))]

    def _run(self, command: list[str], picture: bytes) -> bytes:
        try:
            done = subprocess.run(  # noqa: S603  # no shell, and nothing in it comes from the file
                command,
                input=picture,
                capture_output=True,
                timeout=max(self._end - time.monotonic(), 0.01),
                # Its threads spin more than they help on one page, and the machine has other work.
                env={**os.environ, "OMP_THREAD_LIMIT": "1"},
                preexec_fn=_die_with_parent,  # the parser's process has one thread
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise UnreadableDocument(
                f"Reading its pictures took longer than {self._seconds:g} seconds.",
                hint="Split it into smaller files, or raise [knowledge] ocr_timeout_seconds.",
            ) from None
        said = done.stderr.decode("utf-8", "replace")
        if done.returncode or _NO_LANGUAGE in said:  # it goes on with the languages that it has
            raise self._explain(said)
        return done.stdout

    def _explain(self, said: str) -> UnreadableDocument:
        if _NO_LANGUAGE in said:
            return UnreadableDocument(
                f"Tesseract has not all of the languages {self._languages}.",
                hint="Install them (such as `apt install tesseract-ocr-deu`), or correct [knowledge] ocr_languages.",
            )
        last = (said.strip().splitlines() or ["it gave no reason"])[-1][:200]
        return UnreadableDocument(
            f"Tesseract failed ({last}).", hint="Check that the picture opens; it may be damaged or too large."
        )


def _die_with_parent() -> None:
    """The parser's process is killed when it takes too long; what it has started must not go on."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)


def _dots_per_inch(image: Any) -> int:
    """As the image says, where that can be; 300 where not."""
    said = image.info.get("dpi", (0, 0))[0]
    return int(said) if 70 <= said <= 2400 else 300
