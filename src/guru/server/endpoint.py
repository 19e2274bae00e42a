"""How a door is declared: an async function whose parameters and result say what the route takes and gives.

    @get("/api/v1/jobs/{job_id}")
    async def show_job(call: Call, job_id: str) -> JobView: ...

Parameters named in the path are strings. `body` is decoded from JSON and `query` from the query string, into the
shapes that their annotations name; the result is encoded as JSON. The OpenAPI document is made from the same
annotations, so that it cannot tell anything else.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, get_type_hints

import msgspec
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from guru.errors import Forbidden
from guru.gateway.identity import LOCAL_TENANT, Caller
from guru.server.bodies import MAX_JSON, decode, decode_query, read_body
from guru.server.errors import as_guru_error, error_response, on_http_exception, trace_id_of
from guru.server.exchange import Exchange
from guru.server.services import Services
from guru.server.sse import ClientGone
from guru.store.scope import Scope as Visible

Handler = Callable[..., Awaitable[Any]]
PATH_PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")
encode = msgspec.json.Encoder().encode


class Number(IntegerConvertor):
    """A number in a path; one with more digits than Python reads is nowhere, as a word would be."""

    regex = "[0-9]{1,9}"


register_url_convertor("int", Number())


class Call:
    """One request on its way through a door."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.receive = receive
        self.services: Services = scope["app"].state.services
        self.trace_id = trace_id_of(scope)
        self.headers: dict[str, str] = {}
        """What the road adds to the answer's headers."""
        self._request: Request | None = None
        self._caller: Caller | None = None

    @property
    def request(self) -> Request:
        """Starlette's view of it, for who needs more than the body."""
        if self._request is None:
            self._request = Request(self.scope, self.receive)
        return self._request

    async def body(self) -> bytes:
        """The whole body. Raises `TooLarge` and `ClientGone`."""
        exchange = getattr(self.receive, "__self__", None)  # the exchange's own: nobody counts what comes
        body = exchange.take(MAX_JSON) if isinstance(exchange, Exchange) else None
        return await read_body(self.request) if body is None else body

    def identify(self, door: str) -> Caller:
        """Who asks, at the door of that name. Raises `Unauthorized` and `Forbidden`."""
        scope, directory = self.scope, self.services.directory
        inside: Caller | None = scope.get("guru.caller")
        if inside is not None:  # a line of a batch: whoever handed it in was let in then, and may be no longer
            directory.check(inside, door)
            self._caller = msgspec.structs.replace(directory.renewed(inside), route=door)
            self.headers = self._caller.headers
            return self._caller
        # A Unix socket has no port: it is private to the command that opened it.
        private = scope["server"] is not None and scope["server"][1] is None
        headers: dict[bytes, bytes] = scope.get("guru.headers") or dict(scope["headers"])
        self._caller = directory.authenticate(
            headers, door, self.trace_id, trusted_local=private or not directory.needs_key
        )
        if (cache := cache_mode(headers)) != "on":
            self._caller = msgspec.structs.replace(self._caller, cache=cache)
        self.headers = self._caller.headers
        return self._caller

    def caller(self, route: str) -> Caller:
        """Who asks; `route` names the door in traces."""
        caller = self._caller or self.identify(route)
        return caller if caller.route == route else msgspec.structs.replace(caller, route=route)

    @property
    def tenant(self) -> str:
        return (self._caller or self.identify("")).tenant

    @property
    def visible(self) -> Visible:
        """What the caller may see of what belongs to the organisation."""
        return (self._caller or self.identify("")).visible

    def require_admin(self) -> Caller:
        """The caller, who manages this organisation. Raises `Forbidden`."""
        caller = self.caller("admin")
        caller.require_admin()
        return caller

    def require_operator(self) -> Caller:
        """The caller, who manages what all organisations share: models, routes, releases. Raises `Forbidden`."""
        caller = self.require_admin()
        if caller.tenant != LOCAL_TENANT:
            raise Forbidden(
                "That is of the whole server, not of one organisation.", hint="Ask those who run this server."
            )
        return caller

    def may_use(self, *names: str) -> bool:
        """Whether the caller may use a model that has these names."""
        caller = self._caller or self.identify("")
        return any(self.services.directory.allows(caller, name) for name in names)


def cache_mode(headers: Mapping[bytes, bytes]) -> Literal["on", "off", "refresh"]:
    """What a request says of cached answers: `x-guru-cache: off` or `refresh`, or HTTP's own `cache-control`."""
    said = headers.get(b"x-guru-cache")
    if said is not None:
        said = said.strip().lower()
        return "off" if said == b"off" else "refresh" if said == b"refresh" else "on"
    said = headers.get(b"cache-control", b"")
    return "off" if b"no-store" in said else "refresh" if b"no-cache" in said else "on"


class Endpoint:
    """An ASGI application around one handler: decodes, calls, encodes, and turns errors into answers."""

    def __init__(
        self,
        method: str,
        path: str,
        handler: Handler,
        *,
        status: int = 200,
        body: Any = None,
        answer: Any = None,
        media_type: str = "application/json",
        public: bool = False,
        reads: bool = False,
    ) -> None:
        self.method = method
        self.path = path
        self.handler = handler
        self.status = status
        self.media_type = media_type
        """What it answers with; anything but JSON has no schema."""
        self.name = door_name(path)
        """What a key's `routes` call it: `chat.completions`."""
        self.public = public
        """Whether anybody may call it, without a key."""
        self.reads = reads or method == "GET"
        """Whether it changes nothing: a viewer may call it."""
        hints = get_type_hints(handler)
        self.path_parameters = PATH_PARAMETER.findall(path)
        self.takes_body = "body" in hints
        self.body: Any = body or hints.get("body")
        self.query: Any = hints.get("query")
        self.answer: Any = answer or hints.get("return")
        self.tag = handler.__module__.rpartition(".")[2].removesuffix("_api")
        doc = inspect.getdoc(handler) or ""
        self.summary, _, self.description = (part.strip() for part in doc.partition("\n"))

    def route(self) -> Route:
        return Route(self.path, self, methods=[self.method], name=self.handler.__name__)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._respond(Call(scope, receive))
        except ClientGone:
            return
        except HTTPException as error:
            response = on_http_exception(Request(scope, receive), error)
        except Exception as error:
            shown = as_guru_error(error, trace_id_of(scope))
            scope["app"].state.services.metrics.errors.add(type(shown).__name__)
            response = error_response(scope, shown)
        await response(scope, receive, send)

    async def _respond(self, call: Call) -> Any:
        if not self.public:
            self._admit(call)
        arguments: dict[str, Any] = dict(call.scope.get("path_params") or ())
        if self.takes_body:
            arguments["body"] = decode(await call.body(), self.body)
        if self.query is not None:
            arguments["query"] = decode_query(call.request.query_params, self.query)
        result = await self.handler(call, **arguments)
        if callable(result):
            return result  # an ASGI response of its own
        if result is None:
            return Response(status_code=204)
        return Response(encode(result), self.status, media_type="application/json")

    def _admit(self, call: Call) -> None:
        """Before anything of the request is read. Raises `Unauthorized` and `Forbidden`."""
        caller = call.identify(self.name)
        if not self.reads:
            caller.require_member()


def door_name(path: str) -> str:
    """`/v1/chat/completions` as `chat.completions`, `/api/v1/collections/{name}/search` as `collections.search`.

    Ollama's doors, which are under `/api` alone, begin with `ollama`.
    """
    parts = [part for part in path.split("/") if part and "{" not in part]
    prefix = 2 if parts[:2] == ["api", "v1"] else 1 if parts[:1] == ["v1"] else 0
    if parts[:1] == ["api"] and not prefix:
        return ".".join(["ollama", *parts[1:]])
    return ".".join(parts[prefix:])


def get(path: str, **options: Any) -> Callable[[Handler], Endpoint]:
    """Declare a door. `body` and `answer` name shapes where the handler reads or writes the bytes itself."""
    return lambda handler: Endpoint("GET", path, handler, **options)


def post(path: str, **options: Any) -> Callable[[Handler], Endpoint]:
    return lambda handler: Endpoint("POST", path, handler, **options)


def put(path: str, **options: Any) -> Callable[[Handler], Endpoint]:
    return lambda handler: Endpoint("PUT", path, handler, **options)


def patch(path: str, **options: Any) -> Callable[[Handler], Endpoint]:
    return lambda handler: Endpoint("PATCH", path, handler, **options)


def delete(path: str, **options: Any) -> Callable[[Handler], Endpoint]:
    return lambda handler: Endpoint("DELETE", path, handler, **options)
