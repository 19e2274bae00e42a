"""A store that speaks the part of S3's REST API that reading needs, signatures included.

Documented at https://docs.aws.amazon.com/AmazonS3/latest/API/ (ListObjectsV2, GetObject) and
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html.
"""

import contextlib
import hashlib
import hmac
import re
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from aiohttp import web

ACCESS_KEY, SECRET_KEY, REGION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "eu-test-1"
PAGE = 2
"""Keys in one answer, so that a listing comes in pages."""


class Store:
    def __init__(self):
        self.objects = {}
        self.asked = []
        self.secret = SECRET_KEY

    @property
    def gets(self):
        return [path for path, query in self.asked if "list-type" not in query]

    async def answer(self, request):
        raw, _, query = request.raw_path.partition("?")
        self.asked.append((unquote(raw), query))
        if not self.is_signed(request, raw, query):
            return error(403, "SignatureDoesNotMatch")
        bucket, _, key = unquote(raw).lstrip("/").partition("/")
        if bucket != "papers":
            return error(404, "NoSuchBucket")
        if request.query.get("list-type") == "2":
            return self.list(request.query)
        if key not in self.objects:
            return error(404, "NoSuchKey")
        return web.Response(body=self.objects[key], headers={"ETag": etag(self.objects[key])})

    def list(self, query):
        keys = sorted(key for key in self.objects if key.startswith(query.get("prefix", "")))
        start = int(query.get("continuation-token", 0))
        shown, more = keys[start : start + PAGE], len(keys) > start + PAGE
        encode = quote if query.get("encoding-type") == "url" else escape
        contents = "".join(
            f"<Contents><Key>{encode(key)}</Key><LastModified>2024-03-04T05:06:07.000Z</LastModified>"
            f"<ETag>{escape(etag(self.objects[key]))}</ETag><Size>{len(self.objects[key])}</Size></Contents>"
            for key in shown
        )
        token = f"<NextContinuationToken>{start + PAGE}</NextContinuationToken>" if more else ""
        encoding = "<EncodingType>url</EncodingType>" if encode is quote else ""
        body = (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>papers</Name><IsTruncated>{str(more).lower()}</IsTruncated>{encoding}{token}{contents}"
            "</ListBucketResult>"
        )
        return web.Response(text=body, content_type="application/xml")

    def is_signed(self, request, raw, query):
        """Whether the signature is right, by the specification's own steps."""
        found = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, "
            r"SignedHeaders=([^,]+), Signature=([0-9a-f]{64})",
            request.headers.get("authorization", ""),
        )
        if not found or (found[1], found[3]) != (ACCESS_KEY, REGION):
            return False
        _, day, region, names, signature = found.groups()
        pairs = sorted(part.partition("=")[::2] for part in query.split("&") if part)
        headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in names.split(";"))
        canonical = "\n".join(
            [request.method, raw, "&".join(f"{name}={value}" for name, value in pairs), headers, names,
             request.headers["x-amz-content-sha256"]]
        )  # fmt: skip
        scope = f"{day}/{region}/s3/aws4_request"
        text = "\n".join(
            ["AWS4-HMAC-SHA256", request.headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()]
        )
        key = f"AWS4{self.secret}".encode()
        for part in (day, region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.compare_digest(hmac.new(key, text.encode(), "sha256").hexdigest(), signature)


def etag(data):
    return f'"{hashlib.md5(data).hexdigest()}"'


def error(status, code):
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>No.</Message></Error>'
    return web.Response(status=status, text=body, content_type="application/xml")


@contextlib.asynccontextmanager
async def serving_store():
    store = Store()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", store.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0)
    await listener.start()
    store.url = f"http://127.0.0.1:{listener._server.sockets[0].getsockname()[1]}"
    try:
        yield store
    finally:
        await runner.cleanup()
