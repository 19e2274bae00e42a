"""TLS: one context for checked certificates and one for unchecked ones, loaded when first needed."""

from __future__ import annotations

import asyncio
import functools
import ssl
from pathlib import Path


async def context(verify: bool) -> ssl.SSLContext:
    """Reading the certificates takes some 20 ms: not on the event loop."""
    return await asyncio.to_thread(make_context, verify)


@functools.cache
def make_context(verify: bool) -> ssl.SSLContext:
    """The system's authorities (or those that SSL_CERT_FILE names); where there are none, certifi's."""
    made = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if verify and not (paths.cafile or (paths.capath and any(Path(paths.capath).iterdir()))):
        try:
            import certifi
        except ImportError:
            pass  # the handshake will say that the authority is unknown
        else:
            made.load_verify_locations(certifi.where())
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    made.set_alpn_protocols(["http/1.1"])
    return made
