"""Enrolling, each way in a process of its own."""

import http.client
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from benchmarks.meter import Sample, timed
from benchmarks.sites import Site

if TYPE_CHECKING:
    from wcsync.app import App

PATH = "/webservice/rest/server.php"
FORM = {"content-type": "application/x-www-form-urlencoded"}
TOKEN = {"wstoken": "benchtoken", "moodlewsrestformat": "json"}
Call = dict[str, str]
Answer = Callable[[Call], bytes]


def by_workers(*, url: str, workers: int, enrolments: int, second_course: bool = False) -> Sample:
    """The product's ledger, worker threads and Moodle adapter: learners new to the LMS; on request their second course.

    One learner goes ahead each time, so that the connection is open and the course known.
    """
    from benchmarks.product import opened

    with opened(campus_url=url, workers=workers) as app:
        sample = _phase(app, Site(url=url), product=1, enrolments=enrolments)
        if second_course:
            second = _phase(app, Site(url=url), product=2, enrolments=enrolments)
            sample |= {f"second_{key}": figure for key, figure in second.items()}
    return sample


def by_http_client(*, url: str, enrolments: int) -> Sample:
    """The same three calls over one connection of the standard library, believed and forgotten."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)

    def post(call: Call) -> bytes:
        connection.request("POST", PATH, urlencode(call), FORM)
        return connection.getresponse().read()

    sample = _measured(Site(url=url), enrolments, post)
    connection.close()
    return sample


def by_naive_script(*, url: str, enrolments: int) -> Sample:
    """The script most people would write, from the order it has read to the state it keeps."""
    from benchmarks.naive import Script

    orders = [
        {
            "id": number,
            "billing": {"email": f"buyer{number}@example.test", "first_name": "Begoña", "last_name": "Núñez"},
            "line_items": [{"product_id": 1}],
        }
        for number in range(enrolments + 1)
    ]
    with TemporaryDirectory(prefix="wcsync-bench-") as folder:
        script = Script(shop_url=url, campus_url=url, state=Path(folder, "state.json"), courses={1: 2})
        script.enrol_buyers(orders[:1])
        with timed() as span:
            script.enrol_buyers(orders[1:])
    stats = Site(url=url).stats()
    assert (stats.enrolments, stats.doubles) == (enrolments + 1, 0), stats
    return {"cpu_s": span.cpu_s / enrolments}


def _phase(app: "App", site: Site, *, product: int, enrolments: int) -> Sample:
    from benchmarks.sales import paid_order, record

    orders = [
        paid_order(number=product * 1_000_000 + buyer, buyer=buyer, product=product)
        for buyer in range(enrolments + 1)
    ]
    record(app.ledger, app.mapping.current, orders[:1])
    app.pool.drain()
    record(app.ledger, app.mapping.current, orders[1:])
    before = site.stats()
    with timed() as span:
        app.pool.drain()
    after = site.stats()
    made = after.enrolments - before.enrolments
    assert (made, after.doubles) == (enrolments, 0), (made, after)
    return {
        "per_s": made / span.wall_s,
        "cpu_s": span.cpu_s / made,
        "calls": (after.requests - before.requests) / made,
    }


def _measured(site: Site, enrolments: int, post: Answer) -> Sample:
    _enrol(post, range(1))
    with timed() as span:
        _enrol(post, range(1, enrolments + 1))
    stats = site.stats()
    assert (stats.enrolments, stats.doubles) == (enrolments + 1, 0), stats
    return {"cpu_s": span.cpu_s / enrolments}


def _enrol(post: Answer, buyers: Sequence[int]) -> None:
    import msgspec

    for buyer in buyers:
        address = f"buyer{buyer}@example.test"
        found = msgspec.json.decode(post(_call("core_user_get_users", _search(address))))
        assert not found["users"], address
        [account] = msgspec.json.decode(post(_call("core_user_create_users", _account(address))))
        post(_call("enrol_manual_enrol_users", _enrolment(account["id"])))


def _call(function: str, fields: Call) -> Call:
    return {**TOKEN, "wsfunction": function, **fields}


def _search(address: str) -> Call:
    return {"criteria[0][key]": "email", "criteria[0][value]": address}


def _account(address: str) -> Call:
    fields = {
        "username": address,
        "firstname": "Begoña",
        "lastname": "Núñez",
        "email": address,
        "auth": "manual",
        "createpassword": "1",
    }
    return {f"users[0][{key}]": value for key, value in fields.items()}


def _enrolment(user_id: int) -> Call:
    fields = {"roleid": "5", "userid": str(user_id), "courseid": "2"}
    return {f"enrolments[0][{key}]": value for key, value in fields.items()}
