"""What every test shares."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
import trustme
from hypothesis import settings

settings.register_profile("wcsync", deadline=None)
settings.load_profile("wcsync")


@pytest.fixture(autouse=True)
def _quiet_logs() -> Iterator[None]:
    """Each test begins with logs that go nowhere and no bound keys."""
    structlog.configure(processors=[structlog.testing.LogCapture()], cache_logger_on_first_use=False)
    structlog.contextvars.clear_contextvars()
    yield
    structlog.reset_defaults()


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
