"""TLS is verified, whatever the config and the environment say; nobody else is handed what we send."""

import re
import ssl
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import stamina
import trustme
from pydantic import BaseModel

import wcsync
from tests.loopback import OK, Loopback, answer
from wcsync.config.sections import Config
from wcsync.connections import trust
from wcsync.errors import ServiceBlocked, TransientError
from wcsync.http import Outgoing, Service
from wcsync.lms.registry import KINDS

Listen = Callable[..., Loopback]
YEAR = timedelta(days=365)


@pytest.fixture(autouse=True)
def _asked_once() -> Iterator[None]:
    with stamina.set_testing(True, attempts=1):
        yield


@pytest.fixture
def listen() -> Iterator[Listen]:
    with ExitStack() as stack:

        def start(*scripts: bytes, tls: ssl.SSLContext | None = None) -> Loopback:
            return stack.enter_context(closing(Loopback(*scripts, tls=tls)))

        yield start


@pytest.fixture
def anew() -> Iterator[None]:
    """Trust is loaded again, in the environment of this test; what was loaded there stays there."""
    trust.cache_clear()
    yield
    trust.cache_clear()


def context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(shown)
    return shown


def ask(url: str, ca_file: Path | None = None) -> bytes:
    with closing(Service("shop", ca_file=ca_file, timeout_s=3)) as service:
        secret = {"authorization": "Basic s3cret"}
        return service.fetch(lambda: Outgoing(method="GET", url=url, headers=secret)).content


def refusal(server: Loopback, ca_file: Path | None) -> str:
    with pytest.raises(ServiceBlocked) as caught:
        ask(server.url, ca_file)
    assert server.requests == [], "something was said to a server that nobody trusts"
    finding = caught.value.finding
    assert finding is not None
    return finding.code


def test_a_certificate_that_has_expired_is_refused(
    listen: Listen, authority: trustme.CA, ca_file: Path
) -> None:
    now = datetime.now(UTC)
    old = authority.issue_cert("127.0.0.1", not_before=now - YEAR, not_after=now - timedelta(hours=1))
    assert refusal(listen(OK, tls=context(old)), ca_file) == "tls_expired"


def test_a_certificate_that_nobody_signed_is_refused(listen: Listen, ca_file: Path) -> None:
    other = trustme.CA()
    assert refusal(listen(OK, tls=context(other.issue_cert("127.0.0.1"))), ca_file) in {
        "tls_unknown_ca",
        "tls_self_signed",
    }


def test_a_certificate_for_another_host_is_refused(
    listen: Listen, authority: trustme.CA, ca_file: Path
) -> None:
    other = authority.issue_cert("shop.example.test")
    assert refusal(listen(OK, tls=context(other)), ca_file) == "tls_wrong_host"


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.usefixtures("anew")
def test_the_environment_names_nobody_to_be_trusted(
    variable: str, listen: Listen, authority: trustme.CA, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(ca_file))
    monkeypatch.setenv("SSL_CERT_DIR", str(ca_file.parent))
    server = listen(OK, tls=context(authority.issue_cert("127.0.0.1")))
    assert refusal(server, None) == "tls_unknown_ca"


@pytest.mark.usefixtures("anew")
def test_a_missing_file_in_the_environment_keeps_nobody_from_working(
    listen: Listen, authority: trustme.CA, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "nowhere.pem")
    server = listen(OK, tls=context(authority.issue_cert("127.0.0.1")))
    assert ask(server.url, ca_file) == b"ok"


@pytest.mark.parametrize(
    "variable", ["PYTHONHTTPSVERIFY", "GIT_SSL_NO_VERIFY", "NODE_TLS_REJECT_UNAUTHORIZED"]
)
@pytest.mark.usefixtures("anew")
def test_no_variable_turns_the_check_off(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "0")
    assert (trust(None).verify_mode, trust(None).check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.usefixtures("anew")
def test_the_keys_of_a_connection_are_written_down_for_nobody(
    listen: Listen, authority: trustme.CA, ca_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    server = listen(OK, tls=context(authority.issue_cert("127.0.0.1")))
    assert ask(server.url, ca_file) == b"ok"
    assert "SECRET" not in (tmp_path / "keys").read_text()


def test_tls_older_than_1_2_is_not_spoken(listen: Listen, authority: trustme.CA, ca_file: Path) -> None:
    old = context(authority.issue_cert("127.0.0.1"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    server = listen(OK, tls=old)
    with pytest.raises(TransientError, match="no TLS connection came about"):
        ask(server.url, ca_file)
    assert server.requests == []
    assert trust(ca_file).minimum_version is ssl.TLSVersion.TLSv1_2


def test_no_key_of_the_config_is_a_switch() -> None:
    """Of mail alone one can say that it goes in clear: to a server on this very machine, as its warning says."""
    models: list[type[BaseModel]] = [Config, *(kind.settings for kind in KINDS.values())]
    keys = {key for model in models for key in _keys(model)}
    switches = {key for key in keys if re.search("verif|insecure|trust|ssl|tls|hostname|cert|secur", key)}
    assert switches == {"security"}
    assert "ca_file" in keys


def test_no_line_of_the_program_is_a_switch() -> None:
    """The sandbox, which trusts a CA of its own, included."""
    sources = sorted(Path(wcsync.__file__).parent.rglob("*.py"))
    found = [
        f"{source.name}: {line.strip()}"
        for source in sources
        for line in source.read_text().splitlines()
        if re.search(
            r"CERT_NONE|CERT_OPTIONAL|_create_unverified|check_hostname|verify_mode|verify=False", line
        )
    ]
    assert found == []


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
def test_no_redirect_takes_a_key_elsewhere(status: str, listen: Listen) -> None:
    elsewhere, secret = listen(OK), {"authorization": "Basic s3cret"}
    server = listen(answer(status, headers=(f"Location: {elsewhere.url}/x",)))
    with closing(Service("shop", timeout_s=3)) as service:
        for call in (service.fetch, service.send):
            with pytest.raises(ServiceBlocked):
                call(lambda: Outgoing(method="POST", url=f"{server.url}/?key=s3cret", headers=secret))
    assert len(server.requests) == 2
    assert elsewhere.connections == 0


def _keys(model: type[BaseModel]) -> Iterator[str]:
    """The names of all keys below a section, whatever holds it."""
    for name, field in model.model_fields.items():
        yield name
        for inner in re.findall(r"wcsync\.[\w.]+", str(field.annotation)):
            place, _, kind = inner.rpartition(".")
            found = getattr(__import__(place, fromlist=[kind]), kind, None) if place else None
            if isinstance(found, type) and issubclass(found, BaseModel) and found is not model:
                yield from _keys(found)
