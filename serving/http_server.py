"""The server of ASGI applications on this machine, the local REST server and the explorer's: whom
it answers, and how long it waits for a request.
"""

import ipaddress
import re

import uvicorn
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from uvicorn.protocols.http.h11_impl import H11Protocol

from keras_infogan.serving.listening import EVERY_ADDRESS, FLAGS, in_address

_HEAD_SECONDS = 10.0  # in which a connection must have sent the head of its next request
_THIS_MACHINE = ("localhost", "127.0.0.1", "[::1]")
_VERSIONS = ("1.0", "1.1")  # of HTTP


class _Protocol(H11Protocol):
    """Closes connections that do not send the head of a request in time: uvicorn waits for the
    first one, and for all of one that has begun, for ever.
    """

    def connection_made(self, transport):
        super().connection_made(transport)
        self._limit = self.loop.call_later(_HEAD_SECONDS, self._close_without_request)

    def on_response_complete(self):
        self._limit.cancel()
        self._limit = self.loop.call_later(_HEAD_SECONDS, self._close_without_request)
        super().on_response_complete()

    def connection_lost(self, exc):
        self._limit.cancel()
        super().connection_lost(exc)

    def _close_without_request(self):
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


class Gate:
    """Lets requests through to an ASGI application that are asked of this machine by its name, in a
    version of HTTP that there is.

    Otherwise a page that someone opens elsewhere could have its own name lead here, and read all
    that is answered (DNS rebinding).
    """

    def __init__(self, app, host="localhost", allowed_hosts=()):
        """
        Args:
          app: the ASGI application.
          host: the address that is listened on.
          allowed_hosts: further names, without ports.
        """
        names = (*_THIS_MACHINE, in_address(host), *map(in_address, allowed_hosts))
        self._app, self._names = app, {name.lower() for name in names}
        self._any_address = host in EVERY_ADDRESS

    async def __call__(self, scope, receive, send):
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal:
            status, sentence = refusal
            await JSONResponse({"error": sentence}, status)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, scope):
        """Returns the status and the sentence with which a request is refused, if it is."""
        if scope["http_version"] not in _VERSIONS:
            return 505, f"HTTP/{scope['http_version']} is not known here; ask in HTTP/1.1."
        given = Headers(scope=scope).get("host", "")
        match = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(:\d*)?", given)
        name = match[1].lower() if match else ""
        if name in self._names or (self._any_address and _is_address(name)):
            return None
        return 421, (
            f"expected the name of this server as Host, received {given[:100]!r}; ask for "
            f"localhost, or start the server with --allowed_hosts={name[:100] or 'NAME'}."
        )


def _is_address(name):
    """Whether it is a number, which no page elsewhere can have for a name."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def server(app, headers=()):
    """Returns the uvicorn.Server of an ASGI application; its run(sockets=[...]) serves it, with
    some headers, pairs of texts, in each answer.
    """
    settings = uvicorn.Config(
        app,
        http=_Protocol,
        headers=list(headers),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(settings)


def serve(app, listener, headers=()):
    """Does what `server` is for, as the flags say, until the process is told to end."""
    server(Gate(app, FLAGS.host, FLAGS.allowed_hosts), headers).run(sockets=[listener])
