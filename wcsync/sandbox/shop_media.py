"""The sandbox shop's media library: images it fetches itself, each time anew.

It really asks for the image over HTTP, but only on loopback; everything else is blocked, as on the recorded site. The
real WordPress would refuse loopback and odd ports too, unless they are its own; there this one is more open.
https://developer.wordpress.org/reference/functions/wp_check_filetype_and_ext/
"""

import http.client
import re
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

from wcsync.sandbox.shop_shapes import Json

LOOPBACK = {"127.0.0.1", "::1", "localhost"}
TIMEOUT_S = 10.0
MAX_REDIRECTS = 5
MAX_BYTES = 20_000_000
EXTENSIONS = {
    "png": "png", "jpg": "jpg", "jpeg": "jpg", "jpe": "jpg", "gif": "gif", "webp": "webp", "bmp": "bmp", "tif": "tif",
    "tiff": "tif",
}  # fmt: skip
MAGIC = {
    b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpg", b"GIF8": "gif", b"BM": "bmp", b"II*\0": "tif", b"MM\0*": "tif",
}  # fmt: skip
WRONG_TYPE = "Invalid image: Sorry, you are not allowed to upload this file type."


class ImageRefused(Exception):
    """Why no image was made of it, in WordPress's words. `unknown_id`: it was asked for by an id that is none."""

    def __init__(self, message: str, *, unknown_id: bool = False) -> None:
        super().__init__(message)
        self.unknown_id = unknown_id


@dataclass(kw_only=True)
class Media:
    """All images. `rows`: id → id, name, alt, file, created (UTC text).

    `uploads` counts the files that were ever fetched. `trust`: for servers with a certificate of their own.
    `now()`: UTC text; `folder()`: `2026/11`, by the site's clock.
    """

    new_id: Callable[[], int]
    now: Callable[[], str]
    folder: Callable[[], str]
    trust: ssl.SSLContext | None = None
    rows: dict[int, Json] = field(default_factory=dict)
    contents: dict[int, bytes] = field(default_factory=dict)
    uploads: int = 0

    def add(self, name: str, *, alt: str = "", content: bytes = b"") -> int:
        """An image that a person put there; answers its id."""
        return self._keep(
            f"{re.sub(r'[^A-Za-z0-9]+', '-', name).strip('-') or 'image'}.png", name, alt, content
        )

    def take(self, sent: Mapping[str, Any]) -> int:
        """The image that one entry of a list asks for: by its id, else fetched from its `src`. Raises ImageRefused.

        A name and a text for those who cannot see it are written to the image either way.
        """
        image_id = int(sent.get("id") or 0)
        if not image_id and "src" in sent:
            image_id = self._fetch(str(sent["src"]))
        if image_id not in self.rows:
            raise ImageRefused(f"#{image_id} is an invalid image ID.", unknown_id=True)
        self.rows[image_id] |= {name: str(sent[name]) for name in ("name", "alt") if sent.get(name)}
        return image_id

    def known(self, ids: Iterable[int]) -> list[Json]:
        return [self.rows[one] for one in ids if one in self.rows]

    def _fetch(self, src: str) -> int:
        content = self._download(src)
        stem, _, extension = re.sub(r".*/", "", urlsplit(src).path).rpartition(".")
        kind = _kind(content)
        if not stem or extension.lower() not in EXTENSIONS or kind is None:
            raise ImageRefused(WRONG_TYPE)
        extension = extension if EXTENSIONS[extension.lower()] == kind else kind
        stem = re.sub(r"[^\w.-]", "", re.sub(r"%20|[\s+]", "-", stem)) or "image"
        self.uploads += 1
        file = f"{stem}.{extension}"
        return self._keep(file, "", "", content)

    def _keep(self, file: str, name: str, alt: str, content: bytes) -> int:
        image_id = self.new_id()
        path = self._free_path(file)
        title = name or path.rpartition("/")[2]
        self.rows[image_id] = {"id": image_id, "name": title, "alt": alt, "file": path, "created": self.now()}
        self.contents[image_id] = content
        return image_id

    def _free_path(self, file: str) -> str:
        taken = {row["file"] for row in self.rows.values()}
        stem, _, extension = f"{self.folder()}/{file}".rpartition(".")
        numbers = ["", *(f"-{number}" for number in range(1, len(taken) + 2))]
        paths = (f"{stem}{number}.{extension}" for number in numbers)
        return next(path for path in paths if path not in taken)

    def _download(self, src: str) -> bytes:
        url = src
        for _ in range(MAX_REDIRECTS + 1):
            status, phrase, location, content = self._get(src, url)
            if status == 200:
                return content
            if status not in {301, 302, 303, 307, 308} or not location:
                raise _unreachable(src, phrase)
            url = urljoin(url, location)
        raise _unreachable(src, "Too many redirects")

    def _get(self, src: str, url: str) -> tuple[int, str, str, bytes]:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise _unreachable(src, "A valid URL was not provided.")
        if parts.hostname not in LOOPBACK:
            raise _unreachable(src, "User has blocked requests through HTTP.")
        if parts.scheme == "https":
            context = self.trust or ssl.create_default_context()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=TIMEOUT_S, context=context
            )
        else:
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}")
            answer = connection.getresponse()
            return answer.status, answer.reason, answer.getheader("Location") or "", answer.read(MAX_BYTES)
        except (OSError, http.client.HTTPException) as exc:
            raise _unreachable(src, _as_curl_says(exc, parts.hostname, parts.port)) from exc
        finally:
            connection.close()


def _kind(content: bytes) -> str | None:
    """What the bytes are, whatever the file is called; None if no image."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    return next((kind for magic, kind in MAGIC.items() if content.startswith(magic)), None)


def _as_curl_says(exc: Exception, host: str, port: int | None) -> str:
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"cURL error 60: SSL certificate problem: {exc.verify_message}"
    if isinstance(exc, TimeoutError):
        return f"cURL error 28: Operation timed out after {int(TIMEOUT_S * 1000)} milliseconds with 0 bytes received"
    if isinstance(exc, ConnectionRefusedError):
        return f"cURL error 7: Failed to connect to {host} port {port} after 0 ms: Couldn't connect to server"
    return "cURL error 56: Recv failure: Connection reset by peer"


def _unreachable(src: str, why: str) -> ImageRefused:
    return ImageRefused(f"Error getting remote image {src}. Error: {why}")
