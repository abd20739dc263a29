"""What every test shares."""

import os
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
import trustme
from hypothesis import settings

from wcsync.ledger.connection import prepare_file

pytest_plugins = ["tests.proofs"]

FULL = os.environ.get("WCSYNC_PROVE") == "full"
# The same examples each time, so that what passed here passes in CI; `make prove` in full goes looking for new ones.
settings.register_profile("wcsync", deadline=None, max_examples=50, derandomize=not FULL, database=None)
settings.load_profile("wcsync")


@pytest.fixture(autouse=True)
def _quiet_logs() -> Iterator[None]:
    """Each test begins with logs that go nowhere and no bound keys."""
    structlog.configure(processors=[structlog.testing.LogCapture()], cache_logger_on_first_use=False)
    structlog.contextvars.clear_contextvars()
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def _tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger's file with its tables and nothing in them, as `prepare_file` makes it."""
    path = tmp_path_factory.mktemp("tables") / "ledger.db"
    prepare_file(path)
    return path


@pytest.fixture(autouse=True)
def _tables_made_once(_tables: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new ledger begins as a copy of that file: the same bytes, and a minute less for the suite. Not where the making
    of the file itself is tried."""

    def prepare(path: Path) -> None:
        ours = path.parent.is_dir() and path.parent.stat().st_uid == os.geteuid()
        if ours and not os.path.lexists(path):
            shutil.copy(_tables, path)
        prepare_file(path)

    if "test_ledger_file" not in request.node.nodeid:
        monkeypatch.setattr("wcsync.ledger.ledger.prepare_file", prepare)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A private certificate authority."""
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """What a server on loopback shows: signed by that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authority's own certificate, for whoever is to trust it."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path
