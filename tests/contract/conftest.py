"""The sandbox shop as the recorded one was set up, and somebody who talks to it."""

import ssl
from collections.abc import Iterator

import httpx
import pytest
import trustme

from tests.replay import SITE, HandClock
from wcsync.sandbox.shop import SandboxShop


@pytest.fixture(scope="module")
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def shop(server_tls: ssl.SSLContext, clock: HandClock) -> Iterator[SandboxShop]:
    with SandboxShop(tls=server_tls, clock=clock) as shop:
        shop.site_url = SITE
        yield shop


@pytest.fixture
def client(shop: SandboxShop, client_tls: ssl.SSLContext) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shop.url, verify=client_tls, auth=("ck_sandbox", "cs_sandbox")) as client:
        yield client
