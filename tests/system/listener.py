"""A listener in systemd's place: hears what a process says to $NOTIFY_SOCKET."""

import socket
import threading
from time import monotonic
from typing import Self
from uuid import uuid4


class Listener:
    """`heard`: every word with the moment it came, oldest first. `close()` is what a listener that goes away does.

    Its address is abstract, as systemd's may be: a test's folder can have a longer name than a socket's path may.
    """

    def __init__(self) -> None:
        self.address = f"@wcsync-test-{uuid4()}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{self.address[1:]}")
        self._socket.settimeout(0.05)
        self.heard: list[tuple[float, str]] = []
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        self._socket.close()

    def words(self) -> list[str]:
        """What was said but for the beats."""
        return [word for _, word in self.heard if word != "WATCHDOG=1"]

    def beats(self) -> list[float]:
        return [moment for moment, word in self.heard if word == "WATCHDOG=1"]

    def wait_for(self, word: str, times: int = 1, timeout_s: float = 60) -> None:
        deadline = monotonic() + timeout_s
        while sum(heard.startswith(word) for _, heard in self.heard) < times:
            assert monotonic() < deadline, f"{word} was not said {times} times: {self.heard}"
            self._closed.wait(0.01)

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                text = self._socket.recv(4096).decode()
            except TimeoutError:
                continue
            self.heard += [(monotonic(), word) for word in text.split("\n")]
