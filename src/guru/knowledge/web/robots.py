"""What a site lets programs read: its robots.txt.

Specification: https://www.rfc-editor.org/rfc/rfc9309; the rules are read by Python's `urllib.robotparser`.
"""

from __future__ import annotations

from typing import Final
from urllib.robotparser import RobotFileParser

from guru import __version__

USER_AGENT: Final = f"Guru/{__version__} (+https://github.com/guru-ai/guru)"
MAX_BYTES: Final = 500 << 10
"""What is longer is read so far, as the specification has it."""
MAX_DELAY: Final = 60.0
_NUMBERS: Final = ("crawl-delay", "request-rate")


class Robots:
    """The rules of one site for Guru."""

    def __init__(self, status: int, text: str) -> None:
        # A site that lets nobody see its rules wants nobody; one that has none has no objections.
        rules = text if 200 <= status < 300 else "User-agent: *\nDisallow: /" if status in (401, 403) else ""
        self._parser = parse(rules.splitlines())
        self.delay = float(min(self._parser.crawl_delay(USER_AGENT) or 0, MAX_DELAY))
        """Seconds that the site wants between two requests."""

    def allows(self, url: str) -> bool:
        return self._parser.can_fetch(USER_AGENT, url)


def parse(lines: list[str]) -> RobotFileParser:
    """The rules; a delay that is no number for Python, such as one of 5,000 digits, is not among them."""
    parser = RobotFileParser()
    try:
        parser.parse(lines)
    except ValueError:
        parser = RobotFileParser()
        parser.parse([line for line in lines if not line.strip().lower().startswith(_NUMBERS)])
    return parser
