"""The floor of the mirror: the same pages, patches and calls over one kept-open socket, decoded and believed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from benchmarks.raw import RawSocket

TOGETHER = 100
PRODUCTS = "/wp-json/wc/v3/products"
SERVER = "/webservice/rest/server.php"
FORM = "application/x-www-form-urlencoded"
TOKEN = {"wstoken": "benchtoken", "moodlewsrestformat": "json"}


class Attribute(msgspec.Struct):
    id: int
    name: str
    position: int
    visible: bool
    variation: bool
    options: list[str]


class Named(msgspec.Struct):
    id: int
    name: str


class Meta(msgspec.Struct):
    key: str
    value: Any


class Product(msgspec.Struct):
    """The fields the mirror reads, believed as they come."""

    id: int
    parent_id: int
    status: str
    sku: str
    description: str
    meta_data: list[Meta]
    virtual: bool
    manage_stock: bool
    date_modified_gmt: str
    regular_price: str
    sale_price: str
    type: str
    name: str
    short_description: str
    attributes: list[Attribute]
    tags: list[Named]
    categories: list[Named]
    images: list[Any]
    catalog_visibility: str


class Written(msgspec.Struct):
    update: list[Product]


class Shown(msgspec.Struct):
    shortname: str
    value: Any


class Contact(msgspec.Struct):
    fullname: str


class Course(msgspec.Struct):
    id: int
    fullname: str
    summary: str
    categoryname: str
    lang: str
    contacts: list[Contact]
    customfields: list[Shown]
    courseimage: str
    visible: int
    startdate: int
    enddate: int
    timemodified: int
    cacherev: int


class Found(msgspec.Struct):
    courses: list[Course]


class Module(msgspec.Struct):
    name: str
    modname: str
    visible: int
    visibleoncoursepage: int


class Section(msgspec.Struct):
    name: str
    visible: int
    modules: list[Module]


class Competency(msgspec.Struct):
    shortname: str


class Taught(msgspec.Struct):
    competency: Competency


PAGE = msgspec.json.Decoder(list[Product])
BATCH = msgspec.json.Decoder(Written)
COURSES = msgspec.json.Decoder(Found)
CONTENTS = msgspec.json.Decoder(list[Section])
SKILLS = msgspec.json.Decoder(list[Taught])


def products(client: RawSocket, queries: Sequence[Mapping[str, str]]) -> Iterator[list[Product]]:
    """Page by page."""
    for query in queries:
        yield PAGE.decode(client.get(f"{PRODUCTS}?{urlencode(query)}"))


def write(client: RawSocket, patches: Sequence[bytes]) -> int:
    """Sends patches a hundred at a time. Returns how many products came back as they are stored."""
    written = 0
    for batch in _batches(patches):
        body = b'{"update":[%b]}' % b",".join(batch)
        written += len(BATCH.decode(client.post(f"{PRODUCTS}/batch", body, "application/json")).update)
    return written


def courses(client: RawSocket, numbers: Sequence[int], *, inside: bool) -> int:
    """Reads courses, if wanted with what is `inside` each. Returns how many came."""
    _call(client, "core_webservice_get_site_info")
    read = 0
    for batch in _batches(numbers):
        value = ",".join(map(str, batch))
        answer = _call(client, "core_course_get_courses_by_field", field="ids", value=value)
        read += len(COURSES.decode(answer).courses)
    for number in numbers if inside else ():
        assert CONTENTS.decode(_call(client, "core_course_get_contents", **_brief(number)))
        assert SKILLS.decode(_call(client, "core_competency_list_course_competencies", id=str(number)))
    return read


def _brief(number: int) -> dict[str, str]:
    return {"courseid": str(number), "options[0][name]": "excludecontents", "options[0][value]": "1"}


def _call(client: RawSocket, function: str, **fields: str) -> bytes:
    return client.post(SERVER, urlencode({**TOKEN, "wsfunction": function, **fields}).encode(), FORM)


def _batches(many: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(many), TOGETHER):
        yield many[start : start + TOGETHER]
