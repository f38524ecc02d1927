"""How much is read of a server's answer: urllib3, by which MLflow asks, reads whatever comes, for as long as it comes.

What is read in a thread that asks (see `bounds.py`) is counted as it leaves the socket, since headers and trailers may
have no end either, and as it is unpacked, since a few bytes may stand for many.
"""

import io
import threading
from collections.abc import Callable, Iterator
from functools import cache
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection
    from urllib3.response import BaseHTTPResponse

MOST_BYTES = 1 << 25  # of an answer, its headers included: ten times what many sweeps and runs have been seen to take


class TooMuch(Exception):
    """A server sends more than an answer may have; no error of the system's, after which urllib3 would ask again."""

    def __init__(self, most: int) -> None:
        super().__init__(f"it sends more than {most:,} bytes for an answer")


class GivenUp(Exception):
    """Nobody waits for the answer any more."""


class Asker(threading.Thread):
    """A thread that asks one question.

    Args:
        ask: What it does.
        name: Of the thread.
        num_bytes: Of the file that the answer brings.

    Attributes:
        is_given_up: Whether nobody waits for it any more; it then ends with the next byte that comes.
    """

    def __init__(self, ask: Callable[[], None], name: str, num_bytes: int) -> None:
        super().__init__(target=ask, name=name, daemon=True)
        self.is_given_up = False
        self._most = MOST_BYTES + num_bytes

    def check(self, count: int) -> None:
        """Go no further once so many bytes of an answer are too many, or nobody waits for it.

        Raises:
            TooMuch, GivenUp: If it is so.
        """
        if self.is_given_up:
            raise GivenUp
        if count > self._most:
            raise TooMuch(self._most)


@cache
def count_answers() -> None:
    """Let urllib3 count, in threads that ask, from now on; in all others it does as before."""
    from urllib3.connection import HTTPConnection

    getresponse = HTTPConnection.getresponse

    def get_counted(connection: "HTTPConnection") -> Any:
        asker = threading.current_thread()
        if not isinstance(asker, Asker):
            return getresponse(connection)
        connection.response_class = _Counted  # which http.client makes of the socket
        answer = getresponse(connection)
        answer.stream = _counted(answer, asker)  # type: ignore[method-assign]
        return answer

    HTTPConnection.getresponse = get_counted  # type: ignore[method-assign]


def _counted(answer: "BaseHTTPResponse", asker: Asker) -> Callable[..., Iterator[bytes]]:
    stream = answer.stream

    def counted(*args: Any, **options: Any) -> Iterator[bytes]:
        count = 0
        for chunk in stream(*args, **options):
            count += len(chunk)
            try:
                asker.check(count)
            except Exception:
                answer.close()
                raise
            yield chunk

    return counted


class _Counted(HTTPResponse):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        asker = threading.current_thread()
        if isinstance(asker, Asker):  # connections are kept, and used by other threads
            self.fp = io.BufferedReader(_CountedSocket(self.fp.detach(), asker))


class _CountedSocket(io.RawIOBase):
    """What a socket receives; see `Asker.check`."""

    def __init__(self, received: io.RawIOBase, asker: Asker) -> None:
        self._received, self._asker, self._count = received, asker, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        count = self._received.readinto(buffer)
        self._count += count or 0
        self._asker.check(self._count)
        return count

    def close(self) -> None:
        self._received.close()
        super().close()
