"""Where a server's log goes: a file in the home; what needs a person, to stderr as well."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

LOG_BYTES = 5_000_000
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def write_log(home: Path, *, screen: bool = False) -> None:
    """Keep the log in `home/logs/guru.log`; with `screen` also show warnings and errors."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = home / "logs"
    folder.mkdir(exist_ok=True, mode=0o700)
    file = RotatingFileHandler(folder / "guru.log", maxBytes=LOG_BYTES, backupCount=3, encoding="utf-8", delay=True)
    file.setLevel(logging.INFO)
    handlers: list[logging.Handler] = [file]
    if screen:
        stderr = logging.StreamHandler()
        stderr.setLevel(logging.WARNING)
        # A start that fails is shown as the error that it is, with what to do; the file has the traceback.
        stderr.addFilter(lambda record: record.name != "uvicorn.error")
        handlers.append(stderr)
    logging.raiseExceptions = False  # a disk that is full is said once, by what fails, not with every line of the log
    logging.basicConfig(level=logging.INFO, format=FORMAT, handlers=handlers)
