"""Serving the application: a uvicorn that owns neither the process nor its signals."""

import socket
from typing import Final

import uvicorn
from starlette.types import ASGIApp

GRACE_S: Final = 3
"""How long answers under way may take once the server stops."""
CONNECTIONS_MAX: Final = 1024


class Server:
    """One HTTP server. uvicorn's own main loop is not run: it only watches for signals and the date.

    `trusted_proxies`: addresses and networks, with commas between, whose word on the client's address and on
    TLS (`X-Forwarded-For`, `X-Forwarded-Proto`) is taken.
    """

    def __init__(self, app: ASGIApp, trusted_proxies: str = "127.0.0.1") -> None:
        self._config = uvicorn.Config(
            app,
            loop="none",
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=True,
            forwarded_allow_ips=trusted_proxies,
            limit_concurrency=CONNECTIONS_MAX,
            timeout_keep_alive=10,
            timeout_graceful_shutdown=GRACE_S,
        )
        self._server: uvicorn.Server | None = None
        self._sockets: list[socket.socket] = []

    async def start(self, host: str, port: int) -> str:
        """Listens, and returns the address as a URL; port 0 takes any free one. Errors: OSError."""
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setblocking(False)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
        server = uvicorn.Server(self._config)
        self._config.load()
        server.lifespan = self._config.lifespan_class(self._config)
        self._sockets = [listener]
        await server.startup(sockets=self._sockets)
        self._server = server
        bound = listener.getsockname()
        shown = f"[{bound[0]}]" if family == socket.AF_INET6 else bound[0]
        return f"http://{shown}:{bound[1]}"

    async def stop(self) -> None:
        """Stops listening and ends what is under way, in at most `GRACE_S` seconds; twice is fine."""
        server, self._server = self._server, None
        if server is not None:
            await server.shutdown(sockets=self._sockets)
