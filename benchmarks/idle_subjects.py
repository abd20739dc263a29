"""Polls that bring nothing new, each way in a process of its own."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.meter import Sample, timed


def by_app(*, url: str, polls: int) -> Sample:
    """The product's poll: the shop asked, the ledger told."""
    from benchmarks.product import opened
    from benchmarks.sites import Site

    with opened(shop_url=url) as app:
        assert app.poll().complete
        before = Site(url=url).stats()
        with timed() as span:
            for _ in range(polls):
                assert app.poll().complete
        after = Site(url=url).stats()
    return {
        "cpu_s": span.cpu_s,
        "requests": after.requests - before.requests,
        "connections": after.connections - before.connections,
    }


def by_ticks(*, url: str, polls: int) -> Sample:
    """So many seconds of a daemon in which nothing is due, and the mapping file stays as it is."""
    from benchmarks.product import opened
    from benchmarks.sites import Site

    with opened(shop_url=url) as app:
        app.looks.look_when_due()
        app.mapping.watch()
        before = Site(url=url).stats()
        with timed() as span:
            for second in range(polls):
                app.looks.look_when_due()
                app.replan_if_owed()
                if second % 2:
                    app.mapping.watch()
        assert Site(url=url).stats().requests == before.requests
    return {"cpu_s": span.cpu_s}


def by_app_traced(*, url: str, polls: int) -> Sample:
    """The commits of such polls, read off the statements that reach SQLite."""
    from benchmarks.product import opened

    with _listening() as said, opened(shop_url=url) as app:
        assert app.poll().complete
        said.clear()
        for _ in range(polls):
            assert app.poll().complete
        commits = sum(statement.startswith("COMMIT") for statement in said)
    return {"commits": commits}


def by_standard_library(*, url: str, polls: int) -> Sample:
    from benchmarks.idle_floor import Poller

    with TemporaryDirectory(prefix="wcsync-bench-") as folder:
        poller = Poller(url, str(Path(folder, "polls.db")))
        poller.poll()
        with timed() as span:
            for _ in range(polls):
                poller.poll()
        poller.close()
    return {"cpu_s": span.cpu_s}


def by_package(*, url: str, polls: int) -> Sample:
    """The `woocommerce` package as its README shows it, and nothing noted down."""
    import woocommerce

    from benchmarks.product import KEY, SECRET

    api = woocommerce.API(url=url, consumer_key=KEY, consumer_secret=SECRET, version="wc/v3", timeout=30)
    query = {"page": 1, "per_page": 100, "_fields": "id"}
    api.get("orders", params=query)
    with timed() as span:
        for _ in range(polls):
            assert api.get("orders", params=query).json() == []
    return {"cpu_s": span.cpu_s}


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Every statement that connections opened in the block execute."""
    said: list[str] = []

    class Overheard(sqlite3.Connection):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.set_trace_callback(said.append)

    connect = sqlite3.connect
    sqlite3.connect = partial(connect, factory=Overheard)  # type: ignore[assignment]  # overloads do not survive it
    try:
        yield said
    finally:
        sqlite3.connect = connect
