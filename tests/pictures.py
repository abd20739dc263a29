"""A web server with images, and with what only looks like one."""

from wcsync.sandbox.exchange import Request, Response
from wcsync.sandbox.server import SandboxServer

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 32
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 32
FILES = {
    "/w-logo-blue.png": PNG,
    "/a photo.png": JPEG,
    "/page.png": b"<html></html>",
    "/no-extension": PNG,
    "/readme.html": b"<html></html>",
}


class Pictures(SandboxServer):
    """Serves `FILES`; `/moved.png` leads to the logo."""

    def handle(self, request: Request) -> Response:
        if request.path == "/moved.png":
            return Response(status=302, headers={"Location": "/w-logo-blue.png"})
        content = FILES.get(request.path.replace("%20", " "))
        return Response.html("", status=404) if content is None else Response(body=content)
