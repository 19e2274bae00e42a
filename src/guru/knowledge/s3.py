"""Objects of an S3-compatible bucket as files to ingest. botocore (the extra `s3`) lists, signs and gets.

Specification: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property, partial
from pathlib import PurePosixPath
from typing import Any, Final

from msgspec import Struct

from guru.config import KnowledgeSettings
from guru.errors import DownloadError, GuruError, InvalidParameter
from guru.knowledge.parse.names import file_reason, folder_reason, is_archive
from guru.knowledge.remote import JSON, Fetched, Gone, RemoteFile
from guru.knowledge.scan import LeftOut, Scan
from guru.store.blobs import BlobStore

SCHEME: Final = "s3://"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_BLOCK: Final = 1 << 20
_GONE: Final = frozenset({"NoSuchKey", "404"})
_HINTS: Final = {
    "NoSuchBucket": "Check the name of the bucket, and [knowledge.s3] endpoint_url and region.",
    "AccessDenied": "The credentials need s3:ListBucket and s3:GetObject on it.",
    "InvalidAccessKeyId": "Check the credentials, and [knowledge.s3] endpoint_url.",
    "SignatureDoesNotMatch": "Check the secret key, and [knowledge.s3] region.",
}


class Object(Struct, frozen=True):
    """What a listing says of an object."""

    key: str
    etag: str
    size: int
    modified: str | None


def is_s3_address(text: str) -> bool:
    return text.lower().startswith(SCHEME)


def split(address: str) -> tuple[str, str]:
    """Bucket and prefix, without a slash at its end. Raises `InvalidParameter`."""
    bucket, _, prefix = address[len(SCHEME) :].partition("/")
    if not _BUCKET.fullmatch(bucket) or "\0" in prefix or len(prefix) > 1024:
        raise InvalidParameter(
            f"{address[:100]!r} names no bucket.", hint="Write s3://bucket or s3://bucket/prefix.", param="paths"
        )
    return bucket, prefix.rstrip("/")


def normalise(address: str) -> str:
    """The address as it names a source. Raises `InvalidParameter`."""
    bucket, prefix = split(address)
    return f"{SCHEME}{bucket}/{prefix}" if prefix else f"{SCHEME}{bucket}"


class S3Source:
    """Finds objects. The clients of botocore may be used by several threads."""

    def __init__(self, settings: KnowledgeSettings, blobs: BlobStore) -> None:
        self._settings = settings.s3
        self._max_bytes = settings.max_file_mb << 20
        self._blobs = blobs

    async def find(self, address: str) -> Scan:
        """The objects at or below `address`, as the files of a folder. Raises `DownloadError`."""
        return await asyncio.to_thread(self._scan, normalise(address))

    def _scan(self, source: str) -> Scan:
        found = Scan(sources=[source])
        bucket, prefix = split(source)
        for item in self._list(bucket, prefix):
            name = f"{SCHEME}{bucket}/{item.key}"
            reason = _ignored(item.key[len(prefix) :].lstrip("/") or item.key)
            if reason:
                found.ignored.append(LeftOut(name, reason))
            elif (refused := self._refused(item)) is not None:
                found.failed.append(LeftOut(name, refused, name))
            elif len(found.files) >= self._settings.max_objects:
                most = self._settings.max_objects
                error = f"It has more than {most:,} objects; others were left out. Raise [knowledge.s3] max_objects."
                return Scan(found.files, [*found.failed, LeftOut(source, error)], found.ignored)
            else:
                found.files.append(RemoteFile(name, source, partial(self._fetch, bucket, item)))
        if not found.files and not found.failed and not found.ignored:
            found.failed.append(LeftOut(source, "There is nothing there."))
        return found

    def _list(self, bucket: str, prefix: str) -> Iterator[Object]:
        with explained(f"{SCHEME}{bucket}"):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for item in page.get("Contents", []):
                    key = item["Key"]
                    inside = not prefix or key == prefix or key.startswith(f"{prefix}/")
                    if inside and not key.endswith("/"):  # a key with a slash at its end stands for a folder
                        changed = item.get("LastModified")
                        yield Object(key, item.get("ETag", ""), item["Size"], changed and changed.isoformat())

    def _refused(self, item: Object) -> str | None:
        if is_archive(item.key):
            return "It is an archive. Download it and ingest the file."
        if item.size > self._max_bytes:
            return (
                f"It has {item.size / 1e6:,.0f} MB; the limit is {self._max_bytes / 1e6:,.0f} MB. "
                "Raise [knowledge] max_file_mb."
            )
        return None

    async def _fetch(self, bucket: str, item: Object, known: JSON) -> Fetched | None:
        if item.etag and known.get("etag") == item.etag:
            return None
        return await asyncio.to_thread(self._download, bucket, item)

    def _download(self, bucket: str, item: Object) -> Fetched:
        with explained(f"{SCHEME}{bucket}/{item.key}"), self._blobs.writer() as writer:
            answer = self._client.get_object(Bucket=bucket, Key=item.key)
            with closing(answer["Body"]) as body:
                while block := body.read(_BLOCK):
                    writer.write(block)
                    if writer.size > self._max_bytes:
                        raise DownloadError("It has grown over the limit.", hint="Raise [knowledge] max_file_mb.")
            digest = writer.keep()
        metadata = {"url": f"{SCHEME}{bucket}/{item.key}", "etag": answer.get("ETag", item.etag)}
        return Fetched(
            digest=digest,
            size=writer.size,
            filename=PurePosixPath(item.key).name,
            metadata=metadata,
            modified=item.modified,
        )

    @cached_property
    def _client(self) -> Any:
        try:
            from botocore.config import Config
            from botocore.session import Session
        except ImportError:
            raise DownloadError("Reading a bucket needs botocore.", hint="Install it: pip install 'guru[s3]'") from None
        settings = self._settings
        config = Config(
            connect_timeout=10,
            read_timeout=60,
            retries={"mode": "standard", "max_attempts": 3},
            s3={"addressing_style": "path" if settings.endpoint_url else "auto"},
            user_agent_extra="guru",
        )
        session = Session(profile=settings.profile)
        region = settings.region or session.get_config_variable("region") or "us-east-1"
        return session.create_client("s3", region_name=region, endpoint_url=settings.endpoint_url, config=config)


@contextmanager
def explained(what: str) -> Iterator[None]:
    """botocore's errors as `DownloadError`, and `Gone` for an object that is no longer there."""
    try:
        yield
    except GuruError:
        raise
    except Exception as error:
        # Its modules are loaded by now, as nothing of it can fail before.
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        if isinstance(error, NoCredentialsError):
            raise DownloadError(
                f"There are no credentials for {what}.",
                hint="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or [knowledge.s3] profile.",
            ) from error
        if isinstance(error, ClientError):
            details = error.response.get("Error", {})
            code = str(details.get("Code", "unknown"))
            if code in _GONE:
                raise Gone(f"There is no {what}.", hint="With --prune its document is dropped.") from error
            message = f"The store refused {what}: {code}. {details.get('Message', '')}".strip()
            raise DownloadError(message, hint=_HINTS.get(code, "Check the bucket and the credentials.")) from error
        if isinstance(error, (BotoCoreError, ValueError, OSError)):
            raise DownloadError(
                f"{what} cannot be reached: {error}", hint="Check [knowledge.s3] endpoint_url and the network."
            ) from error
        raise


def _ignored(path: str) -> str | None:
    *folders, _ = path.split("/")
    return next(filter(None, map(folder_reason, folders)), None) or file_reason(path)
