"""The processes that read files, with the limits of the configuration."""

from __future__ import annotations

from guru.config import KnowledgeSettings
from guru.knowledge.parse import Limits
from guru.knowledge.parse.document import MIB
from guru.knowledge.parse.sandbox import ParsePool


def make_parser(settings: KnowledgeSettings) -> ParsePool:
    """One pool, to be closed by its owner."""
    limits = Limits(
        file_bytes=settings.max_file_mb * MIB,
        archive_bytes=settings.max_archive_mb * MIB,
        ocr_languages=tuple(settings.ocr_languages),
    )
    return ParsePool(
        timeout=settings.parse_timeout_seconds,
        ocr_timeout=settings.ocr_timeout_seconds,
        memory=settings.parse_memory_mb * MIB,
        limits=limits,
    )
