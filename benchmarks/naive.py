"""The script most people would write: `python -m benchmarks.naive SHOP_URL CAMPUS_URL STATE`, from cron.

The `woocommerce` package, requests, one JSON file that says which orders are done. It asks for every completed order
each time, opens a connection per call, enrols twice whoever was being enrolled when it died, and loses its state
when it dies while writing it. Kept as a rival to measure against, not as an example.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import requests
import woocommerce

PATH = "/webservice/rest/server.php"
TOKEN = "benchtoken"
PAGE_SIZE = 100


class Script:
    """`courses`: which Moodle course each product sells."""

    def __init__(self, *, shop_url: str, campus_url: str, state: Path, courses: Mapping[int, int]) -> None:
        self._shop = woocommerce.API(
            url=shop_url, consumer_key="ck_bench", consumer_secret="cs_bench", version="wc/v3", timeout=30
        )
        self._moodle = f"{campus_url}{PATH}"
        self._state = state
        self._courses = courses
        self._done: list[int] = json.loads(state.read_text()) if state.exists() else []

    def run(self) -> None:
        self.enrol_buyers(self.completed_orders())

    def completed_orders(self) -> Iterator[Any]:
        for page in count(1):
            params = {"status": "completed", "per_page": PAGE_SIZE, "page": page}
            orders = self._shop.get("orders", params=params).json()
            yield from orders
            if len(orders) < PAGE_SIZE:
                return

    def enrol_buyers(self, orders: Iterable[Any]) -> None:
        for order in orders:
            if order["id"] in self._done:
                continue
            for line in order["line_items"]:
                self._enrol(order["billing"], self._courses[line["product_id"]])
            self._done.append(order["id"])
            self._state.write_text(json.dumps(self._done))

    def _enrol(self, buyer: Any, course_id: int) -> None:
        search = {"criteria[0][key]": "email", "criteria[0][value]": buyer["email"]}
        found = self._call("core_user_get_users", search)["users"]
        user_id = found[0]["id"] if found else self._create(buyer)
        enrolment = {"roleid": 5, "userid": user_id, "courseid": course_id}
        self._call(
            "enrol_manual_enrol_users", {f"enrolments[0][{key}]": value for key, value in enrolment.items()}
        )

    def _create(self, buyer: Any) -> int:
        user = {
            "username": buyer["email"],
            "email": buyer["email"],
            "firstname": buyer["first_name"],
            "lastname": buyer["last_name"],
            "auth": "manual",
            "createpassword": 1,
        }
        created = self._call(
            "core_user_create_users", {f"users[0][{key}]": value for key, value in user.items()}
        )
        user_id: int = created[0]["id"]
        return user_id

    def _call(self, function: str, fields: Mapping[str, object]) -> Any:
        form = {"wstoken": TOKEN, "moodlewsrestformat": "json", "wsfunction": function, **fields}
        return requests.post(self._moodle, data=form, timeout=30).json()


if __name__ == "__main__":
    shop_url, campus_url, state = sys.argv[1:]
    from benchmarks.payload import COURSES

    Script(
        shop_url=shop_url, campus_url=campus_url, state=Path(state), courses=dict(enumerate(COURSES, start=1))
    ).run()
