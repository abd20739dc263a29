"""The files of a Moodle site's courses: what is told of them, and the two addresses at which they are served.

Behind /pluginfile.php/ they are for everybody, behind /webservice/pluginfile.php/ for tokens alone.
https://docs.moodle.org/dev/Web_services_files_handling
"""

import re
from typing import Any, Literal
from urllib.parse import quote, unquote

from wcsync.sandbox.exchange import Request, Response
from wcsync.sandbox.moodle_call import Call
from wcsync.sandbox.moodle_records import Course, StoredFile
from wcsync.sandbox.moodle_state import MoodleSite

FILES = re.compile(
    r"(?P<service>/webservice)?/pluginfile\.php/(?P<context>\d+)/course/(?P<area>\w+)/(?P<name>.+)"
)

IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8")
"""How images begin."""

NO_TOKEN = {
    "error": "A required parameter (token) was missing",
    "errorcode": "missingparam",
    "stacktrace": None,
    "debuginfo": None,
    "reproductionlink": None,
}


def render_files(
    call: Call, course: Course, area: Literal["overviewfiles", "summary"]
) -> list[dict[str, Any]]:
    more = {"isexternalfile": False, "icon": "f/image"} if area == "summary" else {}
    return [
        {
            "filename": file.name,
            "filepath": "/",
            "filesize": len(file.content),
            "fileurl": _url(f"{call.base_url}/webservice", course, file),
            "timemodified": file.timemodified,
            "mimetype": file.mimetype,
        }
        | more
        for file in course.files
        if file.area == area
    ]


def image_url(call: Call, course: Course) -> str:
    """Its first image, or one that Moodle draws for a course without. A file that only passes for an image is none."""
    images = (
        file for file in course.files if file.area == "overviewfiles" and file.content.startswith(IMAGES)
    )
    first = next(images, None)
    if first is None:
        return f"{call.base_url}/pluginfile.php/{course.context_id}/course/generated/course.svg"
    return _url(call.base_url, course, first)


def serve_file(site: MoodleSite, request: Request) -> Response:
    """A wrong token and the images that Moodle draws were not recorded: 501. From Moodle's source, not recorded: what
    belongs to a hidden course is not there for those without a token.
    """
    match = FILES.fullmatch(request.path)
    token = request.first("token")
    if match is None:
        return Response.html("File not found.\n", status=404)
    if match["service"] and token is None:
        return Response.json(NO_TOKEN, headers={"Content-Type": "application/json; charset=utf-8"})
    if match["area"] == "generated" or (match["service"] and token not in site.tokens):
        return Response.html("nobody has recorded what a site answers here", status=501)
    found = _find(site, int(match["context"]), match["area"], unquote(match["name"]))
    if found is None or not (found[0].visible or match["service"]):
        return Response.html("File not found.\n", status=404)
    kept = "private" if match["service"] else "public"
    return Response(
        headers={"Content-Type": found[1].mimetype, "Cache-Control": f"{kept}, max-age=3600, no-transform"},
        body=found[1].content,
    )


def _find(site: MoodleSite, context_id: int, area: str, name: str) -> tuple[Course, StoredFile] | None:
    return next(
        (
            (course, file)
            for course in site.courses.values()
            for file in course.files
            if (course.context_id, file.area, file.name) == (context_id, area, name)
        ),
        None,
    )


def _url(base_url: str, course: Course, file: StoredFile) -> str:
    return f"{base_url}/pluginfile.php/{course.context_id}/course/{file.area}/{quote(file.name)}"
