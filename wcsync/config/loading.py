"""A config file: its bytes in, a Config or every problem with its line out."""

import shlex
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from wcsync.config.complaints import explain
from wcsync.config.people import LearnersSettings
from wcsync.config.section import Section
from wcsync.config.sections import Config, RetrySettings
from wcsync.config.values import CaFile, SiteUrl
from wcsync.credentials import Origin, Sources, read_plain_file
from wcsync.errors import Problem
from wcsync.gate import SHOP
from wcsync.lms.base import Budget, LmsSettings
from wcsync.lms.registry import KINDS, Kind
from wcsync.mappers.mapping_terms import on_withdraw_refused
from wcsync.mappers.problems import Problems, refused
from wcsync.mappers.text_file import MAX_BYTES, render_quoted, render_suggestion
from wcsync.mappers.toml_file import TomlFile, parse_toml
from wcsync.mappers.toml_lines import KeyPath
from wcsync.rights import with_rights

DEFAULT_PATHS = (Path("/etc/wcsync/config.toml"), Path("config.toml"))
"""Where a config is looked for if nobody names one."""


SECTIONS = {
    name: field.annotation
    for name, field in Config.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}

HOMES: dict[str, type[BaseModel]] = {**SECTIONS, "lms.budget": Budget}
"""Where keys belong that stand elsewhere."""

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A config that can be used. `warnings`: what should be changed all the same."""

    config: Config
    warnings: tuple[Problem, ...]
    path: Path
    file: TomlFile = field(repr=False)

    def where(self, *path: str) -> str:
        """`config.toml:14: ledger.path`: where a key stands, or would."""
        return render_where(self.file, path)


def find_config(named: Path | None, candidates: Iterable[Path] = DEFAULT_PATHS) -> Path:
    """The named config, else the first of the usual places that there is, or that nobody may look into. Raises
    ConfigError if there is none."""
    if named is not None:
        return named
    places = tuple(candidates)
    for place in places:
        try:
            there = place.is_file()
        except PermissionError:
            there = True
        if there:
            return place
    looked = ", nor at ".join(map(str, places))
    raise refused(
        "config",
        f"there is no config at {looked}",
        "Make one with `wcsync init DIR` (see config.example.toml), or name another: --config PATH.",
    )


def load_config(
    path: Path, env: Mapping[str, str], kinds: Mapping[str, Kind] = KINDS, *, sealed: bool = False
) -> Loaded:
    """Reads the config at `path` and the secrets it refers to. Raises ConfigError with every problem.

    `sealed`: leaves the secrets alone, so that reports need no right to read them.
    """
    file, mode = _read(path)
    reading = _Reading(file, Sources(base_dir=path.absolute().parent, env=env, sealed=sealed), kinds)
    config = reading.config()
    private = not mode & 0o077
    warnings = (*_written_by_anybody(path, mode), *_warnings(config, file, private=private))
    return Loaded(config=config, warnings=warnings, path=path, file=file)


def _read(path: Path) -> tuple[TomlFile, int]:
    try:
        found = read_plain_file(path, MAX_BYTES)
    except OSError as exc:
        remedy = (
            "Run this as the user of the daemon, or let the user this runs as read it."
            if isinstance(exc, PermissionError)
            else "Make one with `wcsync init DIR` (see config.example.toml), or name another: --config PATH. See also "
            "its owner and mode."
        )
        reason = with_rights(exc.strerror or str(exc), path, to_write=False)
        raise refused(str(path), f"the config cannot be read ({reason})", remedy) from exc
    return parse_toml(str(path), found.content), found.mode


class _LmsCommon(BaseModel):
    """What is looked at in every `[[lms]]` before its own model is."""

    model_config = ConfigDict(extra="ignore")

    url: SiteUrl | None = None
    ca_file: CaFile | None = None


class _Reading:
    """One pass over one file. Every method notes what is wrong and answers what can be used, else None."""

    def __init__(self, file: TomlFile, sources: Sources, kinds: Mapping[str, Kind]) -> None:
        self._file = file
        self._sources = sources
        self._kinds = kinds
        self._problems = Problems()
        self._blamed: set[KeyPath] = set()

    def config(self) -> Config:
        """Raises ConfigError with all that was noted."""
        for key in self._file.values:
            self._check_top(key)
        sections: dict[str, Any] = {name: self._section(name, model) for name, model in SECTIONS.items()}
        self._check_retry(sections["retry"])
        lms = [self._lms(number, raw) for number, raw in enumerate(self._lms_tables())]
        self._check_names(lms)
        self._check_profiles(sections["learners"], lms)
        self._problems.raise_any()
        return Config(**sections, lms=tuple(filter(None, lms)))

    def _blame(self, path: KeyPath, message: str, remedy: str) -> None:
        """Notes one problem for each key: a second one would be about the same mistake."""
        if path not in self._blamed:
            self._problems.add(render_where(self._file, path), message, remedy)
        self._blamed.add(path)

    def _check_top(self, key: str) -> None:
        if key not in Config.model_fields:
            remedy = _home(key) or render_suggestion(key, Config.model_fields)
            self._blame((key,), f"there is no section {render_quoted(key)}", remedy)

    def _section(self, name: str, model: type[Section]) -> BaseModel | None:
        raw = self._file.values.get(name, {})
        if not isinstance(raw, dict):
            self._blame(
                (name,), f"{name} is no section", f"Write [{name}] on a line of its own, its keys below."
            )
            return None
        return self._validate((name,), model, raw)

    def _validate(self, path: KeyPath, model: type[Model], raw: Mapping[str, object]) -> Model | None:
        try:
            return model.model_validate(raw, context=self._sources)
        except ValidationError as exc:
            errors = exc.errors(include_url=False, include_input=False)
        for error in errors:
            message, remedy = explain(error, model)
            if error["type"] == "extra_forbidden":
                remedy = _home(str(error["loc"][-1])) or remedy
            self._blame((*path, *error["loc"]), message, remedy)
        return None

    def _check_retry(self, retry: BaseModel | None) -> None:
        if isinstance(retry, RetrySettings) and retry.max_delay_s < retry.first_delay_s:
            message = f"is less than first_delay_s ({retry.first_delay_s:g})"
            self._blame(("retry", "max_delay_s"), message, "Make it at least as long.")

    def _lms_tables(self) -> list[object]:
        raw = self._file.values.get("lms", [])
        if not isinstance(raw, list):
            self._blame(
                ("lms",), "lms is not a list of sections", "Begin each with [[lms]], in two brackets."
            )
            return []
        if not raw:
            self._blame(
                ("lms",), "there is no [[lms]] section", f"Add one. Known kinds: {', '.join(self._kinds)}."
            )
        return raw

    def _lms(self, number: int, raw: object) -> LmsSettings | None:
        path: KeyPath = ("lms", number)
        if not isinstance(raw, dict):
            self._blame(path, "this is no section", "Begin each LMS with [[lms]], in two brackets.")
            return None
        kind, common = raw.get("kind"), self._validate(path, _LmsCommon, raw)
        if not isinstance(kind, str) or kind not in self._kinds:
            message = f"unknown kind {render_quoted(kind)}" if isinstance(kind, str) else "kind is required"
            self._blame((*path, "kind"), message, render_suggestion(str(kind), self._kinds))
            return None
        normal = common.model_dump(exclude_none=True) if common else {}
        settings = self._validate(path, self._kinds[kind].settings, {**raw, **normal})
        if settings is not None:
            self._check_lms(path, settings)
        return settings

    def _check_lms(self, path: KeyPath, lms: LmsSettings) -> None:
        if lms.quarantine_s <= 2 * lms.timeout_s:
            message = f"must be more than twice timeout_s ({lms.timeout_s:g})"
            remedy = (
                "An answer may take so long, and a call we gave up on may still take effect; use three times."
            )
            self._blame((*path, "quarantine_s"), message, remedy)
        told = on_withdraw_refused(lms.on_withdraw, self._kinds[lms.kind].target_keys)
        if told is not None:
            message = f"{lms.on_withdraw} is nothing that {lms.kind} can do"
            self._blame((*path, "on_withdraw"), message, f"Write {told}.")

    def _check_names(self, lms: Sequence[LmsSettings | None]) -> None:
        taken = {SHOP: "the shop is called so"}
        for number, settings in enumerate(lms):
            if settings is None:
                continue
            name = settings.name.casefold()
            if name in taken:
                self._blame(
                    ("lms", number, "name"),
                    f"{render_quoted(settings.name)} is taken: {taken[name]}",
                    "Give it another name, and write that in the mapping.",
                )
            taken.setdefault(name, f"see {render_where(self._file, ('lms', number, 'name'))}")

    def _check_profiles(self, learners: BaseModel | None, lms: Sequence[LmsSettings | None]) -> None:
        """What fills a field of an account is one of the fields that are read of an order."""
        if not isinstance(learners, LearnersSettings):
            return
        for number, settings in enumerate(lms):
            for key, field_name in settings.profile.items() if settings else ():
                if field_name not in learners.fields:
                    message = f"{render_quoted(field_name)} is not in [learners.fields]"
                    self._blame(("lms", number, "profile", key), message, _field_remedy(field_name, learners))


def _field_remedy(name: str, learners: LearnersSettings) -> str:
    if learners.fields:
        return render_suggestion(name, learners.fields)
    return "Say there which meta keys it is read from, or remove it here."


def render_where(file: TomlFile, path: KeyPath) -> str:
    """`config.toml:14: orders.poll_every_s`."""
    return f"{file.where(path)}: {'.'.join(map(str, path))}"


def _home(key: str) -> str | None:
    """Where a key belongs that stands in the wrong place."""
    homes = [f"[{name}]" for name, model in HOMES.items() if _has_value(model, key)]
    return f"It belongs below {' or '.join(homes)}." if homes else None


def _has_value(model: type[BaseModel], key: str) -> bool:
    """Whether the section has that key, and not a section of that name."""
    field = model.model_fields.get(key)
    of_section = field and isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    return field is not None and not of_section


def _warnings(config: Config, file: TomlFile, *, private: bool) -> Iterator[Problem]:
    for path, secret in config.secret_keys():
        if secret.origin is Origin.LITERAL:
            yield _literal_warning(render_where(file, path), private=private)
    if _in_clear(config.store.url):
        yield Problem(
            where=render_where(file, ("store", "url")),
            message="the shop is asked over plain http: keys are signed, but names and addresses travel in clear",
            remedy="Use https://.",
        )
    yield from _alert_warnings(config, file)
    for number, lms in enumerate(config.lms):
        if _in_clear(lms.url):
            yield Problem(
                where=render_where(file, ("lms", number, "url")),
                message="DANGER: plain http sends the token in clear; whoever sees it on the way can act as wcsync",
                remedy="Use https:// now, and then make a new token.",
            )


def _written_by_anybody(path: Path, mode: int) -> Iterator[Problem]:
    """Whoever can write the config can have the keys sent to a place of their own. A folder with the sticky bit, as
    /tmp, lets nobody replace another's file."""
    if mode & stat.S_IWOTH:
        yield _open_to_all(path, "the config", "o-w")
    folder = path.absolute().parent
    if folder.stat().st_mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH:
        yield _open_to_all(folder, "the config's folder", "o-w")


def _open_to_all(path: Path, what: str, change: str) -> Problem:
    return Problem(
        where=str(path),
        message=f"DANGER: everybody on this machine can write {what}, and so have the keys sent elsewhere",
        remedy=f"Run: chmod {change} {shlex.quote(str(path))}",
    )


def _alert_warnings(config: Config, file: TomlFile) -> Iterator[Problem]:
    mail = config.alerts.mail
    if mail is not None and mail.security == "none" and mail.user and _in_clear(f"http://{mail.host}"):
        yield Problem(
            where=render_where(file, ("alerts", "mail", "security")),
            message="DANGER: the mail server's user and password are sent in clear",
            remedy='Use "starttls" or "tls".',
        )
    for number, web in enumerate(config.alerts.web):
        if _in_clear(web.url.reveal()):
            yield Problem(
                where=render_where(file, ("alerts", "web", number, "url")),
                message="alerts and the token are posted in clear",
                remedy="Use https://.",
            )


def _literal_warning(where: str, *, private: bool) -> Problem:
    return Problem(
        where=where,
        message="the secret stands in the config itself" + ("" if private else ", which others can read"),
        remedy='Put it into a file of its own, chmod 600 that, and write { file = "its path" } here.',
    )


def _in_clear(url: str) -> bool:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http" or host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return True
