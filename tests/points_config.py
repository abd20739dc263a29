"""The files of a daemon that is struck, and the roads between it and the sandboxes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.points_sites import (
    ACADEMY_URL,
    CAMPUS_URL,
    GROUPS,
    HOOK_URL,
    PRODUCTS,
    SHOP_URL,
    T_SHIRT,
    Scenery,
    Sites,
)
from wcsync import http
from wcsync.config import Config, load_config
from wcsync.ledger.connection import prepare_file
from wcsync.lms.threesixty import adapter as threesixty
from wcsync.lms.threesixty import places
from wcsync.lms.threesixty import rest as threesixty_rest
from wcsync.lms.threesixty.paths import Paths
from wcsync.lms.threesixty.tokens import Tokens
from wcsync.lms.throttle import Throttle
from wcsync.notify import smtp

if TYPE_CHECKING:
    from tests.points_town import Town

PAGE_SIZE = 1
QUIET_S = 60.0
"""So long a trouble is gone before it is called over."""
CONFIG = f"""
[store]
url = "{SHOP_URL}"
consumer_key = "ck_sandbox"
consumer_secret = "cs_sandbox"
[orders]
page_size = {PAGE_SIZE}
[[lms]]
name = "campus"
kind = "moodle"
url = "{CAMPUS_URL}"
token = "sandboxtoken"
[ledger]
path = "ledger.db"
"""
ACADEMY_CONFIG = f"""
[[lms]]
name = "academy"
kind = "360learning"
url = "{ACADEMY_URL}"
client_id = "sandboxid"
client_secret = "sandboxsecret"
"""
ALERTS_CONFIG = f"""
[alerts]
quiet_s = {QUIET_S}
batch_s = {QUIET_S}
[alerts.mail]
host = "mail.example.test"
port = 25
security = "none"
sender = "wcsync@example.test"
to = ["owner@example.test"]
[[alerts.web]]
name = "chat"
url = "{HOOK_URL}/hook"
"""


@cache
def read_town_config(folder: Path, scenery: Scenery) -> Config:
    parts = [CONFIG, ACADEMY_CONFIG * scenery.academy, ALERTS_CONFIG * scenery.alerts]
    place = folder / f"config-{next(_numbers)}.toml"
    place.write_text("".join(parts))
    return load_config(place, {}).config


def render_mapping(sites: Sites) -> str:
    rows = [
        f'product_id = {number}\nlms = "campus"\ncourse = "{number + 1}"\n{terms}\n'
        for number, terms in PRODUCTS.items()
    ]
    rows.append(f"product_id = {T_SHIRT}\nignore = true\n")
    if sites.scenery.academy:
        rows += [
            f'product_id = {number}\nlms = "academy"\ngroup = "{sites.groups[number]}"\n'
            f'path = "{sites.paths[number]}"\n'
            for number in GROUPS
        ]
    return "".join(f"[[map]]\n{row}\n" for row in rows)


@cache
def empty_ledger(folder: Path) -> Path:
    path = folder / "empty.db"
    prepare_file(path)
    return path


class Roads(httpx.BaseTransport):
    """The network: a wire to each host."""

    def __init__(self, wires: Mapping[str, httpx.BaseTransport]) -> None:
        self._wires = wires

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._wires[request.url.host].handle_request(request)


@contextmanager
def wired(town: "Town") -> Iterator[None]:
    """Whatever is called meanwhile is called in that town, and whatever waits does so by its clock. Patches, because
    the adapters make for themselves what they need."""

    def seconds() -> float:
        return town.clock().timestamp()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http, "KeptConnections", lambda _trusted, _home: town.roads)
        patch.setattr(threesixty_rest, "Throttle", partial(Throttle, sleep=town.tick, clock=seconds))
        patch.setattr(threesixty_rest, "Tokens", partial(Tokens, clock=seconds))
        patch.setattr(threesixty, "Paths", partial(Paths, clock=town.clock))
        patch.setattr(places, "time", SimpleNamespace(monotonic=seconds))
        if town.postbox is not None:
            patch.setattr(smtp, "socket", town.postbox.sockets())
        yield


_numbers = count()
