"""`wcsync init`: the files of a new installation, and what to fill in."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from pydantic import TypeAdapter, ValidationError

from wcsync import screen
from wcsync.cli.common import EXIT_CONFIG, NamedPath, in_plain_words, main
from wcsync.cli.folder import make_file, make_folder, open_to_others
from wcsync.cli.starter import (
    CREDENTIALS,
    SHOP_GUIDE,
    Campus,
    Way,
    render_config,
    render_drop_in,
    render_mapping,
    secret_names,
    usual_name,
)
from wcsync.config.complaints import explain
from wcsync.config.loading import DEFAULT_PATHS
from wcsync.config.values import ShopUrl, SiteUrl
from wcsync.credentials import CREDENTIALS_DIRECTORY, FOLDER_ID, read_plain_file
from wcsync.errors import ConfigError, Problem
from wcsync.gate import SHOP
from wcsync.lms.base import LmsSettings
from wcsync.lms.registry import KINDS
from wcsync.mappers.mapping_table import course_key
from wcsync.mappers.text_file import MAX_BYTES
from wcsync.mappers.toml_file import TomlFile, parse_toml
from wcsync.mappers.toml_lines import KeyPath

SYSTEM = Path("/etc")
HOME = DEFAULT_PATHS[0].parent
LEDGER = "/var/lib/{}/ledger.db"
DROP_IN = "paths.conf"
INSTANCE = re.compile("[a-z0-9-]{1,24}")
"""A folder's name that systemd/wcsync@.service can have for its instance."""


@main.command()
@click.argument("folder", metavar="DIR", type=NamedPath())
@click.option("--shop-url", default="", help="The shop's address, as in a browser.")
@click.option(
    "--lms", "kinds", multiple=True, type=click.Choice(sorted(KINDS)), help="Its kind; may be given again."
)
@click.option("--lms-url", "urls", multiple=True, help="Its address; one for each --lms, in the same order.")
@click.option("--lms-name", "names", multiple=True, help="What the mapping calls it; likewise.")
@click.option(
    "--secrets",
    "way",
    type=click.Choice([way.value for way in Way]),
    help="How secrets are read: credential (systemd hands them over; usual below /etc) or file.",
)
@in_plain_words
def init(
    *,
    folder: Path,
    shop_url: str,
    kinds: tuple[str, ...],
    urls: tuple[str, ...],
    names: tuple[str, ...],
    way: str | None,
) -> None:
    """Make the files of a new installation.

    Writes config.toml, mapping.toml and an empty file for each secret into DIR, leaves alone what is there, and
    says what to fill in. Safe to repeat. Secrets are never given on the command line.
    """
    folder = folder.absolute()
    chosen = Way(way) if way else (Way.CREDENTIAL if folder.is_relative_to(SYSTEM) else Way.FILE)
    campuses = _campuses(kinds or ("moodle",), urls, names)
    shop_url = _address(ShopUrl, shop_url, "--shop-url") if shop_url else ""
    start = Start(folder)
    start.make_files(render_config(shop_url, campuses, chosen, _ledger(folder)), render_mapping(campuses))
    if start.config in start.kept and (shop_url or kinds or urls or names or way):
        click.echo(f"{start.config} was there: what the options say was NOT put into it", err=True)
    file = start.read()
    references = list(dict.fromkeys(secret_names(file.values)))
    start.make_secrets(references)
    steps = list(_steps(start, file, references))
    start.tell()
    for number, step in enumerate(steps, 1):
        click.echo(screen.plain(f"\n{number:>2}. {step}"))
    screen.print_problems(start.problems)
    if start.problems:
        sys.exit(EXIT_CONFIG)


@dataclass(slots=True)
class Start:
    """One installation's folder, and what was made and left alone there."""

    folder: Path
    made: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def mapping(self) -> Path:
        return self.folder / "mapping.toml"

    @property
    def credentials(self) -> Path:
        return self.folder / CREDENTIALS

    def make_files(self, config: str, mapping: str) -> None:
        for parent in reversed([*self.folder.parents]):
            make_folder(parent, 0o755)
        make_folder(self.folder, 0o755)
        self._note(self.config, done=make_file(self.config, config, 0o644))
        self._note(self.mapping, done=make_file(self.mapping, mapping, 0o644))

    def read(self) -> TomlFile:
        """The config as it is now. Raises ConfigError if what was there cannot be read."""
        try:
            return parse_toml(str(self.config), read_plain_file(self.config, MAX_BYTES).content)
        except OSError as exc:
            message = f"it was left alone, but cannot be read ({exc.strerror})"
            remedy = "Look at its owner and mode."
            raise ConfigError([Problem(where=str(self.config), message=message, remedy=remedy)]) from exc

    def make_secrets(self, references: Sequence[tuple[Way, str]]) -> None:
        """An empty file, for its owner alone, for each secret that is looked for in this folder."""
        make_folder(self.credentials, 0o700)
        paths = self.secrets(references)
        for path in paths:
            if not path.parent.is_dir():
                make_folder(path.parent, 0o700)
            self._note(path, done=make_file(path, "", 0o600))
        for path in (self.credentials, *paths):
            if open_to_others(path):
                remedy = f"Run: chmod {700 if path.is_dir() else 600} {shlex.quote(str(path))}"
                problem = Problem(where=str(path), message="others can get at it", remedy=remedy)
                self.problems.append(problem)

    def secrets(self, references: Sequence[tuple[Way, str]]) -> list[Path]:
        """Where the secrets belong, but for those that lie outside of this folder."""
        return [path for reference in references if (path := self._place(*reference)) is not None]

    def make_drop_in(self, content: str) -> Path:
        path = self.folder / DROP_IN
        self._note(path, done=make_file(path, content, 0o644))
        return path

    def tell(self) -> None:
        for path in self.made:
            click.echo(screen.plain(f"made        {path}"))
        for path in self.kept:
            click.echo(screen.plain(f"left alone  {path}"))

    def _place(self, way: Way, name: str) -> Path | None:
        path = Path(os.path.normpath(self.folder / (name if way is Way.FILE else f"{CREDENTIALS}/{name}")))
        return path if path.is_relative_to(self.folder) and path != self.folder else None

    def _note(self, path: Path, *, done: bool) -> None:
        (self.made if done else self.kept).append(path)


def _campuses(kinds: Sequence[str], urls: Sequence[str], names: Sequence[str]) -> list[Campus]:
    for option, values in (("--lms-url", urls), ("--lms-name", names)):
        if len(values) not in {0, len(kinds)}:
            message = f"give it for each --lms, in the same order, or not at all ({len(kinds)} here)"
            raise click.BadParameter(message, param_hint=option)
    found = [
        Campus(
            kind=kind,
            name=names[number] if names else usual_name(kind),
            url=_address(SiteUrl, urls[number], "--lms-url") if urls else "",
        )
        for number, kind in enumerate(kinds)
    ]
    for campus in found:
        _check_name(campus.name, [other.name for other in found])
    return found


def _check_name(name: str, names: Sequence[str]) -> None:
    try:
        LmsSettings(name=name, kind="any", url="https://any.example")
    except ValidationError as exc:
        message = f"{screen.plain(repr(name))} is no name: up to 40 letters, digits and . _ -"
        raise click.BadParameter(message, param_hint="--lms-name") from exc
    taken = [SHOP, *(other.casefold() for other in names)]
    if taken.count(name.casefold()) > 1:
        message = f"{name!r} is taken; give each LMS a name of its own"
        raise click.BadParameter(message, param_hint="--lms-name")


def _address(kind: Any, text: str, option: str) -> str:
    try:
        return str(TypeAdapter(kind).validate_python(text))
    except ValidationError as exc:
        message, remedy = explain(exc.errors(include_url=False, include_input=False)[0], LmsSettings)
        raise click.BadParameter(f"{message}. {remedy}", param_hint=option) from exc


def _ledger(folder: Path) -> str:
    """Below /etc nothing is written by a daemon; a folder of one's own may hold it all."""
    return LEDGER.format(_unit(folder)) if folder.is_relative_to(SYSTEM) else "ledger.db"


def _unit(folder: Path) -> str:
    return "wcsync" if folder == HOME else f"wcsync-{folder.name}"


def _steps(start: Start, file: TomlFile, references: Sequence[tuple[Way, str]]) -> Iterator[str]:
    sections = list(_sections(file))
    for _, section, _ in sections:
        yield f"{_guide(section)}. Paste, alone on one line, into{_listed(start, section)}"
    unsaid = [(path, what) for path, section, what in sections if ".invalid" in str(section.get("url", ""))]
    if unsaid:
        lines = [f"\n      {file.where((*path, 'url'))}: {what}" for path, what in unsaid]
        yield "Write the addresses, as in a browser:" + "".join(lines)
    hints = "; ".join(("product: its SKU or number in the shop", *_course_hints(sections)))
    yield f"Say which product sells which course. {hints[0].upper()}{hints[1:]}\n      {start.mapping}"
    yield f"Look whether all is well:\n      {_command(start, references, 'check')}"
    if start.folder.is_relative_to(SYSTEM):
        yield _service_step(start)
    else:
        lines = [f"\n      {_command(start, references, words)}" for words in ("run --once", "run")]
        yield "Try one cycle, then start it for good:" + "".join(lines)


def _sections(file: TomlFile) -> Iterator[tuple[KeyPath, dict[str, Any], str]]:
    """The shop's section and those of the LMSs, as far as they are sections: where, what, whose."""
    shop, lms = file.values.get("store"), file.values.get("lms")
    if isinstance(shop, dict):
        yield ("store",), shop, "the shop's"
    for number, section in enumerate(lms if isinstance(lms, list) else []):
        if isinstance(section, dict):
            yield ("lms", number), section, f'that of the LMS "{section.get("name", "")}"'


def _guide(section: dict[str, Any]) -> str:
    kind = str(section.get("kind", ""))
    if not kind:
        return SHOP_GUIDE
    return KINDS[kind].guide if kind in KINDS else f"The secrets of {kind}"


def _course_hints(sections: Sequence[tuple[KeyPath, dict[str, Any], str]]) -> list[str]:
    """What a mapping row says for each kind of LMS that the config names."""
    kinds = dict.fromkeys(str(section.get("kind", "")) for _, section, _ in sections)
    keys = [course_key(KINDS[kind].target_keys) for kind in kinds if kind in KINDS]
    return [f"{key.name}: {key.doc}" for key in keys]


def _listed(start: Start, section: dict[str, Any]) -> str:
    """The files of one section's secrets, one a line."""
    paths = start.secrets(list(secret_names(section)))
    return "".join(f"\n      {path}" for path in paths) or ": the config says where"


def _service_step(start: Start) -> str:
    """The unit that is made for this folder; elsewhere a copy of it with what differs."""
    unit = _unit(start.folder)
    if start.folder == HOME:
        lines = ["sudo cp systemd/wcsync.service /etc/systemd/system/"]
    elif _is_instance(start.folder):
        lines = ["sudo cp systemd/wcsync@.service /etc/systemd/system/"]
        unit = f"wcsync@{start.folder.name}"
    else:
        path = start.make_drop_in(render_drop_in(_own_paths(start, unit)))
        target = f"/etc/systemd/system/{unit}.service.d/{DROP_IN}"
        lines = [
            f"sudo cp systemd/wcsync.service /etc/systemd/system/{unit}.service",
            f"sudo install -D -m 644 {shlex.quote(str(path))} {shlex.quote(target)}",
        ]
    lines += ["sudo systemctl daemon-reload", f"sudo systemctl enable --now {unit}"]
    where = "Start it (in the copy of the repository it was installed from):"
    return where + "".join(f"\n      {line}" for line in lines)


def _is_instance(folder: Path) -> bool:
    return folder.parent == HOME and bool(INSTANCE.fullmatch(folder.name))


def _own_paths(start: Start, unit: str) -> dict[str, str]:
    called = Path(sys.argv[0])
    program = (
        called.absolute() if called.name == "wcsync" else shutil.which("wcsync") or "/opt/wcsync/bin/wcsync"
    )
    return {
        "ExecStart": f"{program} run --config {start.config}",
        "StateDirectory": unit,
        "LoadCredential": f"{FOLDER_ID}:{start.credentials}",
    }


def _command(start: Start, references: Sequence[tuple[Way, str]], words: str) -> str:
    """What to type next: with the credentials' folder where systemd would name it, and the config if it is not found
    by itself."""
    parts = ["sudo"] if start.folder.stat().st_uid != os.getuid() or "SUDO_UID" in os.environ else []
    if any(way is Way.CREDENTIAL for way, _ in references):
        parts.append(f"{CREDENTIALS_DIRECTORY}={shlex.quote(str(start.credentials))}")
    parts.append(_program())
    if start.config != DEFAULT_PATHS[0]:
        words += f" --config {shlex.quote(str(start.config))}"
    return " ".join((*parts, words))


def _program() -> str:
    """How this program was called, in a way that works from anywhere."""
    called = Path(sys.argv[0])
    if called.name != "wcsync":
        return f"{shlex.quote(sys.executable)} -m wcsync"
    found = shutil.which("wcsync")
    if found and Path(found).resolve() == called.resolve() and "SUDO_UID" not in os.environ:
        return "wcsync"
    return shlex.quote(str(called.absolute()))
