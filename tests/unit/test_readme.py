"""README and the code say the same."""

import ast
import re
from pathlib import Path

import click
import pytest

from wcsync.cli import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LEVELS = {"debug", "info", "warning", "error", "critical"}

CODE_PLACES = {"fine": 1, "of_problem": 0}
"""Where the code stands among the arguments of what makes a diagnosis."""


def logged_events() -> set[str]:
    """Every constant first argument of a log call in the product, and the events of services."""
    events: set[str] = set()
    for path in (ROOT / "wcsync").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and speaks(node.func):
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and re.fullmatch("[a-z]+_[a-z_]+", str(first.value)):
                    events.add(str(first.value))
            if isinstance(node, ast.Constant) and re.fullmatch(r"service_[a-z_]+", str(node.value)):
                events.add(str(node.value))
    return events


def speaks(function: ast.expr) -> bool:
    """`log.info(…)` and its like, or `say(…)`, which is one of them chosen by the outcome."""
    if isinstance(function, ast.Attribute):
        return function.attr in LEVELS
    return isinstance(function, ast.Name) and function.id == "say"


def section(title: str) -> str:
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def commands() -> set[str]:
    names = set()
    for name, command in main.commands.items():
        inner = command.commands if isinstance(command, click.Group) else {}
        names |= {f"{name} {sub}" for sub in inner} or {name}
    return names


def test_readme_lists_every_log_event_and_no_other() -> None:
    table = re.findall(r"^\| (.+?) \|", section("Logs"), re.MULTILINE)
    listed = {event for cell in table for event in re.findall(r"`([a-z_]+)`", cell)}
    assert listed == logged_events() - {"service_accepted"}


def diagnosis_codes() -> set[str]:
    """Every constant code of a finding; those of `mapping check --remote` alone are not among them."""
    codes: set[str] = set()
    for path in (ROOT / "wcsync").rglob("*.py"):
        if "sandbox" in path.parts or path.name == "catalogue.py":
            continue
        makers = CODE_PLACES | ({"_wrong": 1, "_note": 1, "_gone": 1} if path.name == "products.py" else {})
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                codes |= {text for place in code_arguments(node, makers) for text in words(place)}
    return codes


def code_arguments(call: ast.Call, makers: dict[str, int]) -> list[ast.expr]:
    """What stands in the code's place of a call that makes a finding or a diagnosis."""
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    if name in {"Finding", "Diagnosis"}:
        return [keyword.value for keyword in call.keywords if keyword.arg == "code"]
    return call.args[makers[name] : makers[name] + 1] if name in makers else []


def words(place: ast.expr) -> list[str]:
    """The constants in a code's place: one, or one of two."""
    found = (
        node.value
        for node in [place, *getattr(place, "__dict__", {}).values()]
        if isinstance(node, ast.Constant)
    )
    return [text for text in found if isinstance(text, str)]


def test_readme_lists_every_code_of_check_and_no_other() -> None:
    table = re.findall(r"^\| (.+?) \|", section("What `check` tells"), re.MULTILINE)
    listed = [code for cell in table for code in re.findall(r"`([a-z_]+)`", cell)]
    assert len(listed) == len(set(listed))
    assert set(listed) == diagnosis_codes()


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
