"""The files a new installation starts with, and what a person has to fill in. Texts out, nothing is written here.

One source each: `config.example.toml`, which lies in the package by a link, and the example of a mapping.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files

from wcsync.config.values import PLACEHOLDER
from wcsync.lms.registry import KINDS

CONFIG = "config/config.example.toml"
MAPPING = "mappers/examples/mapping.toml"
CREDENTIALS = "credentials"
SHOP_SECRETS = ("woocommerce_key", "woocommerce_secret")
SHOP_GUIDE = (
    "In WordPress, WooCommerce → Settings → Advanced → REST API → Add key, permission Read/Write: the consumer key "
    "(ck_…) and the consumer secret (cs_…) are shown once"
)

_BLOCK = re.compile(r"#?\[\[lms\]\]")
_HEADER = re.compile(r"#?\[.*\]")
_KEY = re.compile(r"#?([a-z_]+) = (.*)")
_CREDENTIAL = re.compile(r'\{ credential = "([^"]+)" \}')


class Way(StrEnum):
    """How the config refers to its secrets: systemd hands them over, or they are read where they lie."""

    CREDENTIAL = "credential"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Campus:
    """One `[[lms]]` section to be. `url` '' = not said yet."""

    kind: str
    name: str
    url: str = ""


def example(name: str) -> str:
    """A template as it travels with the program."""
    return files("wcsync").joinpath(name).read_text(encoding="utf-8")


def usual_name(kind: str) -> str:
    """How the example calls an LMS of this kind."""
    name: str = json.loads(_values(_blocks()[kind])["name"])
    return name


def render_config(shop_url: str, campuses: Sequence[Campus], way: Way, ledger: str) -> str:
    """The example with these addresses, sections and references; all other keys as they are there."""
    lines = example(CONFIG).splitlines()
    first = next(number for number, line in enumerate(lines) if _BLOCK.fullmatch(line))
    last = next(number for number in range(first, len(lines)) if lines[number].startswith("# ----"))
    sections = [line for campus in _with_secrets(campuses) for line in (*_render_campus(*campus, way), "")]
    head = [_render_shop_line(line, shop_url, way) for line in lines[:first]]
    tail = [f"path = {json.dumps(ledger)}" if _is_ledger(line, ledger) else line for line in lines[last:]]
    return "\n".join((*head, *sections, *tail)) + "\n"


def render_mapping(campuses: Sequence[Campus]) -> str:
    """The example with all its rows taken out of force: nobody is enrolled by a row that nobody wrote."""
    names = {usual_name(campus.kind): campus.name for campus in reversed(campuses)}
    rows = []
    for line in example(MAPPING).splitlines():
        named = re.sub(
            r'(lms|sku_is_course) = "([^"]*)"',
            lambda found: f'{found[1]} = "{names.get(found[2], found[2])}"',
            line,
        )
        rows.append(f"# {named}" if named and not named.startswith("#") else named)
    head = "# All rows below are examples and out of force: copy what you need, without the # in front.\n"
    return head + "\n".join(rows) + "\n"


def render_drop_in(settings: Mapping[str, str]) -> str:
    """What systemd has to be told where the unit's own settings do not fit."""
    lines = [line for key, value in settings.items() for line in (f"{key}=", f"{key}={value}")]
    return "\n".join(("# Written by `wcsync init`.", "[Service]", *lines, ""))


def secret_names(values: object) -> Iterator[tuple[Way, str]]:
    """Every reference to a secret in a config, in its order: which way, and its name or path."""
    if isinstance(values, Mapping):
        if len(values) == 1 and (way := next(iter(values))) in set(Way) and isinstance(values[way], str):
            yield Way(way), values[way]
            return
        values = list(values.values())
    if isinstance(values, list):
        for value in values:
            yield from secret_names(value)


def _blocks() -> dict[str, list[str]]:
    """The example's section of each kind of LMS."""
    blocks: list[list[str]] = []
    inside = False
    for line in example(CONFIG).splitlines():
        if _BLOCK.fullmatch(line):
            blocks.append([])
            inside = True
        inside = inside and bool(line)
        if inside:
            blocks[-1].append(line)
    return {json.loads(_values(block)["kind"]): block for block in blocks}


def _values(block: Sequence[str]) -> dict[str, str]:
    found = (_KEY.fullmatch(line) for line in block)
    return {match[1]: match[2] for match in found if match}


def _with_secrets(campuses: Sequence[Campus]) -> Iterator[tuple[Campus, dict[str, str]]]:
    """Each campus with the names of its secrets: the example's, or with its own name in front where those are taken."""
    taken = set(SHOP_SECRETS)
    for campus in campuses:
        usual = {
            key: match[1]
            for key, value in _values(_blocks()[campus.kind]).items()
            if (match := _CREDENTIAL.fullmatch(value))
        }
        if taken & set(usual.values()):
            usual = {key: f"{campus.name}_{key}" for key in usual}
        taken |= set(usual.values())
        yield campus, usual


def _render_campus(campus: Campus, secrets: Mapping[str, str], way: Way) -> Iterator[str]:
    required = {key for key, field in KINDS[campus.kind].settings.model_fields.items() if field.is_required()}
    for line in _blocks()[campus.kind]:
        match = _KEY.fullmatch(line)
        key = match[1] if match else ""
        if _HEADER.fullmatch(line):
            yield line.removeprefix("#")
        elif key in secrets:
            yield f"{key} = {_reference(secrets[key], way)}"
        elif match and key in {"name", "kind", "url"}:
            yield f"{key} = {json.dumps(_said(campus, key, json.loads(match[2])))}"
        else:
            yield line.removeprefix("#") if key in required else line


def _said(campus: Campus, key: str, usual: str) -> str:
    """The value of a key that differs from platform to platform; one address that all share stays."""
    if key == "url" and not campus.url:
        return PLACEHOLDER.format(campus.kind) if "example" in usual else usual
    value: str = getattr(campus, key)
    return value


def _render_shop_line(line: str, shop_url: str, way: Way) -> str:
    if line.startswith("url = "):
        return f"url = {json.dumps(shop_url or PLACEHOLDER.format('shop'))}"
    match = _KEY.fullmatch(line)
    named = _CREDENTIAL.fullmatch(match[2]) if match else None
    return f"{match[1]} = {_reference(named[1], way)}" if match and named else line


def _reference(name: str, way: Way) -> str:
    return f'{{ {way.value} = "{name if way is Way.CREDENTIAL else f"{CREDENTIALS}/{name}"}" }}'


def _is_ledger(line: str, ledger: str) -> bool:
    return bool(re.fullmatch(r'#path = ".*\.db"', line)) and line != f"#path = {json.dumps(ledger)}"
