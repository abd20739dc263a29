"""What a daemon does not load: memory and start-up are paid by every shop's machine."""

import subprocess
import sys

import pytest
import requests
import woocommerce

from wcsync.store.package import load_api

pytestmark = pytest.mark.prove
"""Each of these takes processes or a whole daemon of its own."""


def loaded(code: str) -> set[str]:
    program = f"import sys; {code}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("package", ["rich", "pygments", "requests", "urllib3", "jinja2", "nh3", "rapidfuzz"])
def test_the_daemons_command_loads_nothing_that_a_daemon_does_not_use(package: str) -> None:
    assert package not in loaded("import wcsync.cli.run")


def test_what_is_not_loaded_at_the_start_can_be_had_later() -> None:
    assert {"rich", "requests"} <= loaded("import wcsync.cli.run, rich.table, requests, woocommerce")


def test_the_package_that_others_import_keeps_its_transport() -> None:
    ours = load_api()
    assert ours is not woocommerce.API
    assert woocommerce.api.request is requests.request
    assert sys.modules["requests"] is requests


def test_the_copy_without_a_transport_cannot_send() -> None:
    with pytest.raises(AssertionError, match="not to be used"):
        load_api()("https://shop.example.test", "ck", "cs").get("orders")
