"""A reverse proxy whose faults are switched on and off while it serves."""

import gzip
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from socket import SHUT_RDWR
from threading import Event, Thread
from typing import Any

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}

FLOODS = {
    "flood": (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * (1 << 20)),
    "bomb": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", gzip.compress(bytes(1 << 20))),
    "preface": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
}
"""How answers without an end begin, and go on."""


class Proxy:
    """Stands before a server on this machine; its clients meet what `behave` was told last.

    pass           forwards
    hang           never answers; told to behave otherwise, it ends the connection
    drip           answers without an end, a byte now and then, until it is told to behave otherwise
    flood          answers without an end, as fast as it can
    bomb           answers so too, what a few bytes stand for
    preface        says again and again that an answer will come
    404, 500       answers that it knows no such thing, or failed
    read only      answers 403, forbidden, to what may change something
    nonsense       answers 200 with a web page
    drop before    ends the connection of the first and each third request without forwarding it
    drop after     forwards these, but ends the connection instead of answering
    drop late      likewise, 1.5 s late: after what has been asked meanwhile, if the client waits for less
    dead           listens no more, and has ended all connections

    Attributes:
        uri: Its address, the same in all its lives.
        seen: Method and path of all requests; dead, it sees none.
        lost: Likewise, of those dropped before or after.
    """

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.seen: list[str] = []
        self.lost: list[str] = []
        self.listener: _Listener | None = None
        self.port, self.released = 0, Event()
        self.behave("pass")
        self.uri = f"http://127.0.0.1:{self.port}"

    def behave(self, behaviour: str, where: str = "", after: int = 0) -> None:
        """Behave so from now on, to requests with `where` in their path, but the first ones; pass all others."""
        self.behaviour, self.where, self.counter = behaviour, where, count(-after)
        before, self.released = self.released, Event()
        before.set()
        if behaviour == "dead" and self.listener:
            self.listener.end()
            self.listener = None
        elif behaviour != "dead" and not self.listener:
            self.listener = _Listener(self)
            self.port = self.listener.server_address[1]

    def writes(self) -> list[str]:
        """Return those of the requests seen that may change something."""
        return [request for request in self.seen if _may_change(request)]


class _Listener(ThreadingHTTPServer):
    """One life of a proxy."""

    daemon_threads = True

    def __init__(self, proxy: Proxy) -> None:
        super().__init__(("127.0.0.1", proxy.port), _Handler)
        self.proxy = proxy
        self.connections: set[Any] = set()
        Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.connections.discard(request)

    def end(self) -> None:
        """Close all sockets."""
        self.shutdown()
        self.server_close()
        for connection in self.connections.copy():
            with suppress(OSError):  # closed meanwhile
                connection.shutdown(SHUT_RDWR)
        while self.connections:  # until their threads have noticed
            time.sleep(0.01)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept
    disable_nagle_algorithm = True
    server: _Listener  # type: ignore[assignment]

    def handle(self) -> None:
        with suppress(OSError, HTTPException, ValueError):  # one of the sides is gone, or fell silent within a line
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""

    def treat(self) -> None:
        """Do to a request what the proxy was told."""
        proxy, body = self.server.proxy, self._read_body()
        released = proxy.released  # before the behaviour: `behave` sets it after that
        request, behaviour = f"{self.command} {self.path}", proxy.behaviour
        proxy.seen.append(request)
        number = next(proxy.counter) if proxy.where in self.path else -1
        if number < 0 or (behaviour == "read only" and not _may_change(request)):
            behaviour = "pass"
        drops = behaviour.startswith("drop") and number % 3 == 0
        if behaviour == "hang":
            released.wait()
            self.close_connection = True
        elif behaviour == "drip":
            self._answer(200, {"Content-Length": "1000000"}, b"")
            while not released.wait(0.2):
                self.wfile.write(b" ")
            self.close_connection = True
        elif behaviour in FLOODS:
            self.wfile.write(FLOODS[behaviour][0])
            while not released.is_set():
                self.wfile.write(FLOODS[behaviour][1])
            self.close_connection = True
        elif behaviour.isdigit():
            self._answer(int(behaviour), {}, b"the store is full")
        elif behaviour == "read only":
            self._answer(403, {}, b"you may only read")
        elif behaviour == "nonsense":
            self._answer(200, {"Content-Type": "text/html"}, b"<html>Please log in</html>")
        elif drops:
            if behaviour == "drop late":
                time.sleep(1.5)
            if behaviour != "drop before":
                self._forward(body)
            proxy.lost.append(request)
            self.close_connection = True
        else:
            self._answer(*self._forward(body))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = treat  # noqa: N815

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = HTTPConnection("127.0.0.1", self.server.proxy.upstream, timeout=60)
        try:
            connection.request(self.command, self.path, body, _end_to_end(self.headers))
            answer = connection.getresponse()
            return answer.status, _end_to_end(answer.headers), answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _may_change(request: str) -> bool:
    return not request.startswith("GET ") and "/search" not in request


def _end_to_end(headers: Any) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in HOP_BY_HOP}
