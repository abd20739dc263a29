"""Secrets by reference: where they are read from, and how they stay out of sight."""

import errno
import hmac
import os
import re
import shlex
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Never, Self, SupportsIndex

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import PydanticCustomError, core_schema

MAX_SECRET_BYTES = 64 * 1024
MASK = "**********"
CREDENTIALS_DIRECTORY = "CREDENTIALS_DIRECTORY"
"""The variable in which systemd tells a service where its credentials lie.

https://systemd.io/CREDENTIALS/
"""

FOLDER_ID = "wcsync"
"""As in the unit: LoadCredential=wcsync:/etc/wcsync/credentials."""

WAYS = '{ credential = "name" }, { file = "path" } or { env = "NAME" }'

_LIKE_A_SECRET = re.compile(r"(?=[A-Za-z]*[0-9])[0-9A-Za-z]{20,}")


class Origin(StrEnum):
    CREDENTIAL = "credential"
    FILE = "file"
    ENV = "env"
    LITERAL = "literal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where secrets and files named in a config are looked up; given to pydantic as its validation context.

    `base_dir`: the config file's folder, absolute; `env`: the environment. `sealed`: secrets are not read, for whoever
    only wants to know the rest; each is then empty.
    """

    base_dir: Path
    env: Mapping[str, str] = field(repr=False)
    sealed: bool = False

    @classmethod
    def of(cls, info: ValidationInfo) -> Self:
        """The sources a validation was started with; without any, the working folder and no environment."""
        return info.context if isinstance(info.context, cls) else cls(base_dir=Path.cwd(), env={})


class Secret:
    """A value that shows itself to nobody who does not ask by `reveal()`: not in repr, text, pickle or dump.

    As a field of a pydantic model it accepts what a person writes in the config: a reference to a systemd
    credential, a file or a variable, or the value itself (`origin` LITERAL, which the config warns about).
    """

    __slots__ = ("_value", "origin")

    def __init__(self, value: str, origin: Origin = Origin.LITERAL) -> None:
        self._value = value
        self.origin = origin

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> Never:
        raise TypeError("a Secret cannot be pickled")

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(
            _resolve, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )


def refusal(message: str, remedy: str) -> PydanticCustomError:
    """What a validator raises for a value a person must change: both texts reach them as they are."""
    return PydanticCustomError("refused", "{message}", {"message": message, "remedy": remedy})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainFile:
    """A regular file, read whole. `mode`: its permission bits."""

    content: bytes = field(repr=False)
    mode: int

    @property
    def private(self) -> bool:
        """Nobody but its owner can read it."""
        return not self.mode & 0o077


def read_plain_file(path: Path, max_bytes: int) -> PlainFile:
    """Reads a regular file of at most `max_bytes`, and never waits on a pipe. Raises OSError."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as exc:
        raise OSError(errno.EINVAL, "Its name holds a NUL character") from exc
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, _NO_FILE.get(stat.S_IFMT(status.st_mode), "It is not a regular file"))
        with open(handle, "rb", closefd=False) as opened:
            content = opened.read(max_bytes + 1)
    finally:
        os.close(handle)
    if len(content) > max_bytes:
        raise OSError(errno.EFBIG, f"It is larger than {max_bytes} bytes")
    return PlainFile(content=content, mode=stat.S_IMODE(status.st_mode))


_NO_FILE = {stat.S_IFDIR: "It is a folder", stat.S_IFIFO: "It is a pipe"}


def _resolve(value: object, info: ValidationInfo) -> Secret:
    match value:
        case Secret():
            return value
        case str():
            return Secret(_checked(value))
        case dict() if len(value) == 1:
            [(way, name)] = value.items()
            if way in _READERS and isinstance(name, str) and name:
                if Sources.of(info).sealed:
                    return Secret("", Origin(way))
                return _READERS[way](name, Sources.of(info))
    raise refusal(
        "a secret is given in exactly one way", f"Write one of {WAYS}, with a text between the quotes."
    )


def _read_credential(name: str, sources: Sources) -> Secret:
    if "/" in name or name in {".", ".."}:
        raise refusal("a credential's name is a bare file name, without folders", f"Use one of {WAYS}.")
    folder = sources.env.get(CREDENTIALS_DIRECTORY)
    if not folder:
        raise refusal(
            f"credential {_shown(name)} cannot be looked up: ${CREDENTIALS_DIRECTORY} is not set",
            "systemd sets it for a service with LoadCredential=. By hand, name the folder that holds a file "
            f"of that name in front of the command: {CREDENTIALS_DIRECTORY}=/path/to/folder wcsync …",
        )
    path = credential_path(folder, name)
    return Secret(_checked(_text(_read(path, name).content), path), Origin.CREDENTIAL)


def credential_path(folder: str, name: str) -> Path:
    """Where a credential lies: systemd puts the id of a whole folder before the names of the files in it."""
    plain, of_folder = Path(folder, name), Path(folder, f"{FOLDER_ID}_{name}")
    return plain if os.path.lexists(plain) or not os.path.lexists(of_folder) else of_folder


def _read_file(name: str, sources: Sources) -> Secret:
    path = sources.base_dir / name
    found = _read(path, name)
    if not found.private:
        raise refusal(
            f"others can read the file {_shown(name)} (mode {found.mode:04o})",
            f"Run: chmod 600 {shlex.quote(str(path))}",
        )
    return Secret(_checked(_text(found.content), path), Origin.FILE)


def _read_env(name: str, sources: Sources) -> Secret:
    if name not in sources.env:
        raise refusal(
            f"the environment variable {_shown(name)} is not set", "Set it, or use { file = … } instead."
        )
    return Secret(_checked(sources.env[name]), Origin.ENV)


_READERS: dict[object, Callable[[str, Sources], Secret]] = {
    "credential": _read_credential,
    "file": _read_file,
    "env": _read_env,
}


def _read(path: Path, name: str) -> PlainFile:
    try:
        return read_plain_file(path, MAX_SECRET_BYTES)
    except OSError as exc:
        raise refusal(
            f"the file {_shown(name)} cannot be read ({exc.strerror})",
            f"It must be a file that holds the secret and nothing else, here: {_shown(str(path))}",
        ) from exc


def _text(content: bytes) -> str:
    with suppress(UnicodeDecodeError):
        return content.decode("utf-8-sig")
    # raised outside of the handler: UnicodeDecodeError carries the bytes, and a cause may be logged
    raise refusal("its file holds something else than UTF-8 text", "Write the secret into it again.")


def _checked(text: str, path: Path | None = None) -> str:
    value = text.rstrip("\r\n")
    if not value and path is not None:
        raise refusal(
            f"the secret is not there yet: the file {_shown(path.name)} is empty",
            f"Paste the secret into {_shown(str(path))}, alone on one line.",
        )
    if not value:
        raise refusal("the secret is empty", "Put the secret there, on one line.")
    if value != value.strip():
        raise refusal(
            "the secret begins or ends with a blank", "Remove the blank; copy the secret again if unsure."
        )
    if not value.isprintable():
        raise refusal(
            "the secret holds a control character or a second line", "Keep the secret alone, on one line."
        )
    return value


def _shown(name: str) -> str:
    """A name in quotes, unless somebody wrote the secret itself where its name belongs."""
    return "(not shown: it looks like a secret itself)" if _LIKE_A_SECRET.search(name) else f'"{name}"'
