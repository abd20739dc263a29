"""What listens on loopback for a test: a thread for each connection, and none of them left behind."""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Self

TIMEOUT_S = 10.0


class Listening:
    """Accepts connections from the first moment on; `serve` has one until it returns. `connections`: how many came."""

    def __init__(self) -> None:
        self.connections = 0
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends every connection and waits for all threads."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)  # under TLS, too, without another word
        for thread in list(self._threads):
            thread.join(TIMEOUT_S)
            assert not thread.is_alive()
        for connection in self._open:
            connection.close()

    def serve(self, connection: socket.socket) -> None:
        raise NotImplementedError

    def keep(self, connection: socket.socket) -> socket.socket:
        """Ended with the others by `close`."""
        self._open.append(connection)
        return connection

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._start(self._have_served, self.keep(connection))

    def _have_served(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.closing(connection):
            self.serve(connection)
