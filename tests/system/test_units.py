"""The units: what systemd's own tools say about them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "systemd"
NAMES = ("wcsync.service", "wcsync@.service")
EXPOSURE = 2.0
ANALYZE = shutil.which("systemd-analyze") or ""

analyzing = pytest.mark.skipif(not ANALYZE, reason="systemd-analyze is not installed here")


@analyzing
@pytest.mark.parametrize("name", NAMES)
def test_systemd_finds_no_fault_in_a_unit(name: str, tmp_path: Path) -> None:
    """The program is another one: what is not installed would be a fault."""
    unit = tmp_path / name
    unit.write_text((UNITS / name).read_text().replace("/opt/wcsync/bin/wcsync", sys.executable))
    done = subprocess.run([ANALYZE, "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@analyzing
@pytest.mark.parametrize("name", NAMES)
def test_a_unit_leaves_its_process_little_to_do_harm_with(name: str) -> None:
    words = [ANALYZE, "security", "--offline=yes", UNITS / name]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if "offline" in done.stderr:
        pytest.skip("this systemd-analyze cannot look at a file")
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) < EXPOSURE


def test_both_units_say_the_same_but_for_their_places() -> None:
    one, many = ((UNITS / name).read_text().partition("\n[Unit]\n")[2] for name in NAMES)
    for shop, none in ((" of %i", ""), ("/etc/wcsync/%i", "/etc/wcsync"), ("=wcsync-%i\n", "=wcsync\n")):
        many = many.replace(shop, none)
    user = re.search(r"# Without it all shops.*\nUser=wcsync\n", many)
    assert user is not None
    assert many.replace(user[0], "") == one
