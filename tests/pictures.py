"""A web server with images, and with what only looks like one."""

from wcsync.sandbox.exchange import Request, Response
from wcsync.sandbox.server import SandboxServer

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 32
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 32
FILES = {
    "/w-logo-blue.png": PNG,
    "/a photo.png": JPEG,
    "/modern.webp": b"RIFF\0\0\0\0WEBPVP8 ",
    "/page.png": b"<html></html>",
    "/no-extension": PNG,
    "/readme.html": b"<html></html>",
}
MOVED = {"/moved.png": "/w-logo-blue.png", "/round.png": "/round.png"}


class Pictures(SandboxServer):
    """Serves `FILES`, and redirects from what `MOVED`."""

    def handle(self, request: Request) -> Response:
        if request.path in MOVED:
            return Response(status=302, headers={"Location": MOVED[request.path]})
        content = FILES.get(request.path.replace("%20", " "))
        return Response.html("", status=404) if content is None else Response(body=content)
