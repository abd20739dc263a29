"""The config of a running daemon: read when it starts, and again when people ask for it."""

import os
from collections.abc import Iterator
from pathlib import Path

import structlog

from wcsync import log as logs
from wcsync.app import App
from wcsync.config import Config, Loaded, find_config, load_config
from wcsync.daemon import Renewal
from wcsync.errors import ConfigError, Problem

log = structlog.get_logger("wcsync")


class LiveConfig:
    """The config in force. Raises ConfigError if there is none to begin with.

    The log keeps every secret out that was ever read: what is under way may still speak of an old one.
    """

    def __init__(self, named: Path | None) -> None:
        self._path = find_config(named)
        self._secrets: frozenset[str] = frozenset()
        self._put_in_force(load_config(self._path, os.environ))

    def renew(self) -> Renewal:
        """Another app, made from the file as it is now; it has done nothing yet. Raises ConfigError if the file cannot
        be put in force."""
        loaded = load_config(self._path, os.environ)
        self._refuse_another_ledger(loaded)
        self._keep_out(loaded.config)
        engine = App(loaded.config)
        try:
            engine.load()
        except BaseException:
            engine.close()
            raise
        changed = tuple(changed_sections(self.config, loaded.config))
        return Renewal(engine=engine, changed=changed, commit=lambda: self._put_in_force(loaded))

    def _put_in_force(self, loaded: Loaded) -> None:
        self.config = loaded.config
        self._keep_out(loaded.config)
        for warning in loaded.warnings:
            log.warning("config_warning", where=warning.where, reason=warning.message, hint=warning.remedy)

    def _keep_out(self, config: Config) -> None:
        """Logs go on as the config in force says, and know the secrets of `config` too."""
        self._secrets |= frozenset(config.secrets())
        style = self.config.log
        logs.configure(level=style.level, style=style.format, secrets=self._secrets)

    def _refuse_another_ledger(self, loaded: Loaded) -> None:
        before, after = self.config.ledger.path, loaded.config.ledger.path
        if after.resolve() != before.resolve():
            problem = Problem(
                where=loaded.where("ledger", "path"),
                message=f"the ledger would be {after}, and is {before} while this process runs",
                remedy="Stop wcsync, move the ledger's files if it is to keep what it knows, and start it again; or "
                "put the old path back.",
            )
            raise ConfigError([problem])


def changed_sections(before: Config, after: Config) -> Iterator[str]:
    """The names of the sections that differ; never what stands in them."""
    for name in Config.model_fields:
        if name != "lms" and getattr(before, name) != getattr(after, name):
            yield name
    old, new = ({lms.name: lms for lms in config.lms} for config in (before, after))
    yield from (f"lms.{name}" for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name))
