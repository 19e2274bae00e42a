"""An HTTP/1.1 client for providers: pooled, with TLS, proxies, timeouts and back-pressure, and little work per request.

It does what an API needs and no more: it follows no redirect, keeps no cookie and tries nothing twice, but for a
connection that the server had closed while it was idle. Retries and fallbacks belong to routing.
"""

from guru.models.http.client import HttpClient
from guru.models.http.headers import Headers
from guru.models.http.response import Response
from guru.models.http.target import Reach
from guru.models.http.timeouts import Timeouts

__all__ = ["Headers", "HttpClient", "Reach", "Response", "Timeouts"]
