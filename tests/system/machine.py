"""A machine of our own for the length of a test: systemd as init, in namespaces, with wcsync installed as README says.

It can do no harm to the machine it runs on: that one's files are all there but read-only, whatever can be written is a
tmpfs, no unit of that machine is known to this systemd, and what is missing of this ends the boot before systemd is
begun. Only the network is shared, so that the sandboxes answer.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self

ROOT = Path(__file__).parents[2]
SYSTEMD = Path("/usr/lib/systemd/systemd")
NSENTER = shutil.which("nsenter") or "nsenter"
TOOLS = ("unshare", "nsenter", "setpriv", "systemctl", "mount", "pivot_root")

BOOT = """
set -eu
w=$1 root=$1/root
mount --make-rprivate /
mkdir $root
mount --bind / $root            # without what is mounted below it
mount -o remount,bind,ro $root
for place in tmp run var opt root home media mnt srv work; do
    [ ! -d $root/$place ] || mount -t tmpfs -o mode=755 tmpfs $root/$place
done
mkdir -p $root/var/lib $root/var/tmp $root/var/log $root/var/cache $root/run/etc $root/run/etc-work $root/run/old
mount -t overlay -o lowerdir=/etc,upperdir=$root/run/etc,workdir=$root/run/etc-work overlay $root/etc
for units in system system-generators; do
    mount -t tmpfs -o mode=755 tmpfs $root/usr/lib/systemd/$units
done
mount -t tmpfs -o mode=755 tmpfs $root/dev
for node in null zero full random urandom tty; do
    : > $root/dev/$node
    mount --bind /dev/$node $root/dev/$node
done
mkdir $root/dev/shm $root/dev/pts
mount -t tmpfs tmpfs $root/dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts $root/dev/pts
ln -s pts/ptmx $root/dev/ptmx
mount -t proc proc $root/proc
mount --bind $root/proc/sys $root/proc/sys
mount -o remount,bind,ro $root/proc/sys
[ ! -e $root/proc/sysrq-trigger ] || mount --bind /dev/null $root/proc/sysrq-trigger
mount -t sysfs -o ro sysfs $root/sys
mount -t cgroup2 cgroup2 $root/sys/fs/cgroup
mkdir $root/opt/wcsync $root/opt/wcsync-src $root/opt/python
mount --bind $w/wcsync $root/opt/wcsync
mount --bind $w/wcsync-src $root/opt/wcsync-src
mount --bind @BASE@ $root/opt/python
mount -o remount,bind,ro $root/opt/python
mount --bind @PACKAGES@ $root/opt/wcsync/lib/@PYTHON@/site-packages
mount -o remount,bind,ro $root/opt/wcsync/lib/@PYTHON@/site-packages
mount -o remount,bind,ro $root/opt/wcsync
mount -o remount,bind,ro $root/opt/wcsync-src
rm -rf $root/etc/systemd/system $root/etc/wcsync
cp -r $w/etc/. $root/etc/
cd $root
pivot_root . run/old
umount -l /run/old
cd /
mount --make-rshared /          # among namespaces within this one: all was private before
for place in / /usr /usr/lib /bin; do
    ! touch $place/.writable 2>/dev/null || exit 3
done
[ -z "$(ls -A /tmp)" ] || exit 4
[ -z "$(ls -A /run/old)" ] || exit 5
[ -z "$(ls -A /usr/lib/systemd/system)" ] || exit 6
exec setpriv --bounding-set=-sys_time,-sys_module,-sys_boot,-sys_rawio,-syslog \
    env -i container=wcsync-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    @SYSTEMD@ --system --unit=idle.target --log-target=null --show-status=no
"""
TARGETS = ("idle", "sysinit", "basic", "shutdown", "multi-user", "network-online", "umount")
"""All that this systemd knows besides wcsync. None of them does anything."""
PROGRAM = """#!/opt/wcsync/bin/python
import sys
sys.path.insert(0, "/opt/wcsync-src")
from wcsync.cli import main
main()
"""
LIBRARIES = "LD_LIBRARY_PATH=/opt/python/lib"
DROP_IN = f"""[Service]
Environment={LIBRARIES}
StandardOutput=append:/run/%N.log
StandardError=append:/run/%N.log
RestartSec=100ms
WatchdogSec=3s
"""
"""All that differs from the units as they are: logs in a file, for there is no journal here, less patience, and where
a Python that was moved here finds its own library."""


def why_not() -> str:
    """Why there can be no such machine here; '' if there can."""
    if os.geteuid() != 0:
        return "only root may boot a systemd of its own"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing or not SYSTEMD.exists():
        return f"not installed here: {', '.join(missing) or 'systemd'}"
    return "" if _cgroups() else "no cgroup v2 hierarchy is mounted here"


class Machine:
    """Files are put below its /etc by `install` before it is entered; entering it boots, leaving it ends all in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cgroup = Path(_cgroups()) / f"wcsync-test-{os.getpid()}"
        self._init = 0
        python = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self._install_program(python)
        self._install_units()
        boot = BOOT
        for name, value in {
            "BASE": sys.base_prefix,
            "PACKAGES": sysconfig.get_path("purelib"),
            "PYTHON": python,
            "SYSTEMD": str(SYSTEMD),
        }.items():
            boot = boot.replace(f"@{name}@", value)
        (folder / "boot.sh").write_text(boot)

    def install(self, etc: str, files: dict[str, str]) -> None:
        """Puts files below /etc. Those in `credentials` become root's alone."""
        for name, text in files.items():
            path = self._folder / "etc" / etc / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            if path.parent.name == "credentials":
                path.chmod(0o600)
                path.parent.chmod(0o700)

    def __enter__(self) -> Self:
        self._cgroup.mkdir()
        unshare = "unshare --fork --kill-child --pid --mount --cgroup --uts --ipc"
        enter = f'echo $$ > {self._cgroup}/cgroup.procs && exec {unshare} sh "$@"'
        with (self._folder / "boot.log").open("wb") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", enter, "sh", str(self._folder / "boot.sh"), str(self._folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self.until(self._booted, "systemd does not come up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(10)
        deadline = monotonic() + 10
        while "populated 1" in (self._cgroup / "cgroup.events").read_text() and monotonic() < deadline:
            sleep(0.05)
        for folder, _names, _files in os.walk(self._cgroup, topdown=False):
            Path(folder).rmdir()

    def run(self, *words: str, check: bool = True) -> str:
        """Runs a command in the machine; what it prints."""
        enter = [NSENTER, "-t", str(self._init), "-m", "-p", "-C", "-u", "-i", "-r", "-w"]
        done = subprocess.run([*enter, "env", LIBRARIES, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, f"{words}\n{done.stdout}{done.stderr}{self.log()}"
        return done.stdout

    def systemctl(self, *words: str) -> str:
        return self.run("systemctl", "--no-pager", *words)

    def show(self, unit: str, name: str) -> str:
        return self.systemctl("show", "--value", "-p", name, unit).strip()

    def lines(self, unit: str, event: str) -> list[dict[str, Any]]:
        text = self.run("cat", f"/run/{unit}.log", check=False)
        found = [json.loads(line) for line in text.splitlines() if line[:1] == "{"]
        return [line for line in found if line["event"] == event]

    def until(self, happened: Callable[[], object], what: str, timeout_s: float = 30) -> None:
        deadline = monotonic() + timeout_s
        while not happened():
            assert monotonic() < deadline, f"{what}\n{self.log()}"
            sleep(0.05)

    def log(self) -> str:
        """What the boot and wcsync said, the end of it."""
        text = (self._folder / "boot.log").read_text(errors="replace")
        own = [NSENTER, "-t", str(self._init), "-m", "-r", "sh", "-c", "tail -n 20 /run/*.log"]
        said = subprocess.run(own, capture_output=True, text=True, check=False).stdout if self._init else ""
        return text[-3000:] + said

    def upgrade(self, name: str, old: str, new: str) -> None:
        """Another version of one of the program's files."""
        path = self._folder / "wcsync-src" / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def _install_program(self, python: str) -> None:
        (self._folder / "wcsync/bin").mkdir(parents=True)
        (self._folder / "wcsync/lib" / python / "site-packages").mkdir(parents=True)
        (self._folder / "wcsync/pyvenv.cfg").write_text("home = /opt/python/bin\n")
        (self._folder / "wcsync/bin/python").symlink_to(f"/opt/python/bin/{python}")
        program = self._folder / "wcsync/bin/wcsync"
        program.write_text(PROGRAM)
        program.chmod(0o755)
        shutil.copytree(ROOT / "wcsync", self._folder / "wcsync-src/wcsync")

    def _install_units(self) -> None:
        units = self._folder / "etc/systemd/system"
        shutil.copytree(ROOT / "systemd", units)
        for name in TARGETS:
            text = f"[Unit]\nDescription={name}\nDefaultDependencies=no\nAllowIsolate=yes\n"
            (units / f"{name}.target").write_text(text)
        for name in ("wcsync.service.d", "wcsync@.service.d"):
            (units / name).mkdir()
            (units / name / "test.conf").write_text(DROP_IN)

    def _booted(self) -> bool:
        assert self._process.poll() is None, f"systemd does not run\n{self.log()}"
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        if not children or Path(f"/proc/{children[0]}/comm").read_text() != "systemd\n":
            return False
        self._init = int(children[0])
        words = ("list-units", "--state=active", "--no-legend", "--no-pager", "--plain", "idle.target")
        return "idle.target" in self.run("systemctl", *words, check=False)


def _cgroups() -> str:
    for line in Path("/proc/mounts").read_text().splitlines():
        _device, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return place
    return ""
