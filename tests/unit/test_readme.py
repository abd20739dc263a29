"""README and the code say the same."""

import re
from pathlib import Path

import click
import pytest

from wcsync.cli import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

CODE_PLACES = {"fine": 1, "of_problem": 0}
"""Where the code stands among the arguments of what makes a diagnosis."""


def section(title: str) -> str:
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def commands() -> set[str]:
    names = set()
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        inner = command.commands if isinstance(command, click.Group) else {}
        names |= {f"{name} {sub}" for sub in inner} or {name}
    return names


@pytest.mark.parametrize("command", sorted(commands()))
def test_readme_names_every_command(command: str) -> None:
    assert all(re.search(rf"[` ]{word}\b", section("Commands")) for word in command.split())


def test_readme_names_every_dependency() -> None:
    text = (
        (ROOT / "pyproject.toml")
        .read_text(encoding="utf-8")
        .partition("dependencies = [")[2]
        .partition("]")[0]
    )
    names = set(re.findall(r'"([a-z-]+)[>=<]', text))
    table = re.findall(r"^\| ([a-z-]+) \| ", section("Design notes"), re.MULTILINE)
    assert names == set(table) - {"package"}


def mirror_codes() -> set[str]:
    files = [*(ROOT / "wcsync/pollers").glob("course*.py"), ROOT / "wcsync/mappers/courses/guards.py"]
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    said = r"""\bcode ?= ?(.*)|_(?:halted|left)\(\s*\w+,\s*("[a-z_]+")|^[A-Z_, ]+ = (".*")"""
    found = {
        word
        for groups in re.findall(said, text, re.MULTILINE)
        for word in re.findall(r'"([a-z_]+)"', " ".join(groups))
    }
    return found - {"failed"}  # of one product, and never shown


@pytest.mark.parametrize("code", sorted(mirror_codes()))
def test_readme_names_every_code_of_the_mirror(code: str) -> None:
    assert f"`{code}`" in section("Commands")


def test_the_codes_of_the_mirror_are_found() -> None:
    assert {"unknown_sku", "is_no_variation", "off", "lms_missing", "course_gone", "fault"} <= mirror_codes()
