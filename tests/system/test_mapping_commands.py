"""`wcsync mapping check --remote`, `suggest` and `export` against a sandbox shop and Moodle."""

import json
import os
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.system.world import World
from wcsync.cli import main
from wcsync.sandbox.faults import Fault


def wcsync(world: World, *words: str) -> Result:
    return CliRunner().invoke(main, ["mapping", *words, "--config", str(world.config_path)])


def add_row(world: World, row: str) -> None:
    path = world.folder / "mapping.toml"
    path.write_text(path.read_text() + f'\n[[map]]\n{row}\nlms = "campus"\ncourse = "{world.courses[0]}"\n')


def test_a_mapping_that_fits_both_sides_has_no_problem(world: World) -> None:
    result = wcsync(world, "check", "--remote")
    assert result.exit_code == 0, result.output
    assert "0 problems, 0 notes" in result.stdout


def test_unknown_products_and_courses_are_named_with_their_lines(world: World) -> None:
    add_row(world, 'sku = "GONE"')
    path = world.folder / "mapping.toml"
    path.write_text(path.read_text() + '\n[[map]]\nproduct_id = 999999\nlms = "campus"\ncourse = "777"\n')
    result = wcsync(world, "check", "--remote")
    assert result.exit_code == 78
    for text in (
        'no product has the SKU "GONE"',
        "no product 999999",
        "campus: there is no course 777",
        "mapping.toml:",
    ):
        assert text in result.stderr
    document = json.loads(wcsync(world, "check", "--remote", "--json").stdout)
    assert sorted(one["code"] for one in document["problems"]) == [
        "unknown_course",
        "unknown_product",
        "unknown_sku",
    ]
    assert set(document) == {"file", "rows", "terms", "problems", "notes", "unchecked"}


def test_check_counts_the_rows_by_how_long_they_sell(world: World) -> None:
    add_row(world, 'sku = "YEAR"\ndays = 36\nseats = "hold"')
    add_row(world, 'sku = "TERM"\nuntil = 2099-06-30')
    told = wcsync(world, "check")
    assert told.exit_code == 0, told.output
    assert "for 36 days: 1; until 2099-06-30: 1" in told.stdout
    document = json.loads(wcsync(world, "check", "--json").stdout)
    assert [(one.get("days"), one.get("until"), one.get("seats")) for one in document["terms"]] == [
        ("36", None, "hold"),
        (None, "2099-06-30", None),
    ]


def test_terms_that_cannot_be_kept_are_notes(world: World) -> None:
    path = world.folder / "mapping.toml"
    row = f'product_id = {world.products[0]}\nlms = "campus"\ncourse = "{world.courses[1]}"'
    path.write_text(f"{path.read_text()}\n[[map]]\n{row}\nuntil = 2020-06-30\n")
    result = wcsync(world, "check", "--remote")
    assert "until 2020-06-30 is over" in result.stderr


def test_a_note_alone_is_no_failure(world: World) -> None:
    world.shop.edit_product(world.products[0], status="draft")
    result = wcsync(world, "check", "--remote")
    assert (result.exit_code, "note: mapping.toml" in result.stderr) == (0, True)


@pytest.mark.parametrize(("silent", "said"), [("shop", "shop:"), ("campus", "campus")])
def test_what_could_not_be_asked_is_said_and_ends_with_69(world: World, silent: str, said: str) -> None:
    server = world.shop if silent == "shop" else world.moodle
    server.faults.add(Fault(kind="maintenance", times=None))
    result = wcsync(world, "check", "--remote")
    assert result.exit_code == 69
    assert said in result.stderr
    assert f"not checked: {silent}" in result.stdout


def test_without_remote_nobody_is_asked(world: World) -> None:
    add_row(world, 'sku = "GONE"')
    assert wcsync(world, "check").exit_code == 0
    assert (list(world.shop.requests), list(world.moodle.requests)) == ([], [])


def test_a_new_course_is_suggested_and_its_row_can_be_appended(world: World) -> None:
    course = world.moodle.add_course("Excel avanzado")
    world.shop.add_product("Curso de Excel avanzado (online)", sku="XL-9")
    mapping = world.folder / "mapping.toml"
    before = mapping.read_text()
    result = wcsync(world, "suggest", "--toml")
    assert result.exit_code == 0, result.output
    assert mapping.read_text() == before
    [row] = tomllib.loads(result.stdout)["map"]
    assert (row["sku"], row["course"]) == ("XL-9", str(course))
    mapping.write_text(f"{before}\n{result.stdout}")
    assert wcsync(world, "check", "--remote").exit_code == 0
    assert wcsync(world, "suggest", "--toml").stdout == ""


def test_people_see_a_table_and_scripts_a_document(world: World) -> None:
    world.moodle.add_course("Inglés B1")
    product = world.shop.add_product("Inglés B2", sku="EN-B2")
    shown = wcsync(world, "suggest")
    assert "Inglés B2" in shown.stdout
    assert "maybe" in shown.stdout
    document = json.loads(wcsync(world, "suggest", "--json").stdout)
    [suggestion] = document["suggestions"]
    assert suggestion["product"]["product_id"] == product
    assert suggestion["selector"] == {"sku": "EN-B2"}
    assert suggestion["candidates"][0]["likeness"] == "maybe"


def test_what_was_sold_without_a_row_comes_first(world: World) -> None:
    world.shop.add_product("Aaa")
    sold = world.shop.add_product("Zzz", sku="ZZ")
    world.shop.buy("late@personal.example.test", "La", "Te", [(sold, 1)])
    assert CliRunner().invoke(main, ["run", "--once", "--config", str(world.config_path)]).exit_code == 0
    document = json.loads(wcsync(world, "suggest", "--json").stdout)
    assert [(one["product"]["name"], one["sold"]) for one in document["suggestions"]] == [
        ("Zzz", 1),
        ("Aaa", 0),
    ]


def test_suggest_works_before_there_is_a_mapping_and_not_with_a_broken_one(world: World) -> None:
    world.moodle.add_course("Excel avanzado")
    world.shop.add_product("Excel avanzado")
    mapping = world.folder / "mapping.toml"
    mapping.unlink()
    assert len(tomllib.loads(wcsync(world, "suggest", "--toml").stdout)["map"]) == 1
    mapping.write_text("[[map]]\nskuu = 1\n")
    assert wcsync(world, "suggest").exit_code == 78


NOTHING_YET = {
    "mapping.toml": (Path(__file__).parents[2] / "wcsync/mappers/examples/mapping.toml").read_text(),
    "mapping.csv": "product_id;variation_id;sku;lms;course;group;ignore;note\n",
}


@pytest.mark.parametrize("name", NOTHING_YET)
@pytest.mark.parametrize("words", [("suggest", "--toml"), ("export",)], ids=lambda words: words[0])
def test_a_mapping_without_a_row_yet_is_where_suggest_and_export_begin(
    world: World, name: str, words: tuple[str, ...]
) -> None:
    lines = NOTHING_YET[name].splitlines(keepends=True)
    commented = "".join(
        f"# {line}" if name.endswith(".toml") else line for line in lines
    )  # as `init` leaves it
    world.shop.add_product("Excel avanzado")
    (world.folder / name).write_text(commented)
    config = world.config_path.read_text().replace('path = "mapping.toml"', f'path = "{name}"')
    assert f'path = "{name}"' in config
    world.config_path.write_text(config)
    result = wcsync(world, *words)
    assert result.exit_code == 0, result.output
    assert "Excel avanzado" in result.stdout


def test_suggest_goes_on_without_an_lms_and_says_so(world: World) -> None:
    world.shop.add_product("Inglés B2")
    world.moodle.faults.add(Fault(kind="maintenance", times=None))
    result = wcsync(world, "suggest")
    assert result.exit_code == 69
    assert "its courses are missing here" in result.stderr
    assert "Inglés B2" in result.stdout


def test_the_export_can_be_used_as_the_mapping(world: World) -> None:
    world.shop.add_product('=HYPERLINK("http://evil.test")', sku="@x")
    file = world.folder / "all.csv"
    result = wcsync(world, "export", str(file), "--delimiter", "semicolon", "--bom")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    text = file.read_text(encoding="utf-8-sig")
    assert ";=" not in text
    assert ";@" not in text
    config = world.config_path
    config.write_text(config.read_text().replace("mapping.toml", "all.csv"))
    checked = wcsync(world, "check", "--remote")
    assert checked.exit_code == 0, checked.output


def test_the_export_goes_to_stdout_without_a_file(world: World) -> None:
    result = wcsync(world, "export")
    assert result.stdout.startswith("product_id,variation_id,sku,lms,course,")
    assert len(result.stdout.splitlines()) == len(world.products) + 1


@pytest.mark.parametrize("name", ["mapping.toml", "config.toml", "ledger.db", "link"])
def test_no_file_in_use_is_written_over(world: World, name: str) -> None:
    CliRunner().invoke(main, ["run", "--once", "--config", str(world.config_path)])
    (world.folder / "link").symlink_to(world.folder / "mapping.toml")
    before = (world.folder / name).read_bytes()
    result = wcsync(world, "export", str(world.folder / name))
    assert result.exit_code == 2
    assert (world.folder / name).read_bytes() == before


def test_the_config_found_by_itself_is_not_written_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world.folder)
    before = world.config_path.read_bytes()
    result = CliRunner().invoke(main, ["mapping", "export", "config.toml"])
    assert (result.exit_code, "is the config" in result.output) == (2, True)
    assert world.config_path.read_bytes() == before


def test_a_link_is_written_through_and_stays_one(world: World) -> None:
    link, file = world.folder / "all.csv", world.folder / "real.csv"
    link.symlink_to(file)
    file.write_text("old")
    assert wcsync(world, "export", str(link)).exit_code == 0
    assert link.is_symlink()
    assert file.read_text().startswith("product_id,")


def test_what_is_no_file_is_written_to_and_never_replaced(world: World) -> None:
    pipe, device = world.folder / "pipe", world.folder / "device"
    os.mkfifo(pipe)
    device.symlink_to(pipe)  # as /dev/stdout is one
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_bytes)
        assert wcsync(world, "export", str(device)).exit_code == 0
        assert pipe.is_fifo()
        assert device.is_symlink()
        assert read.result(timeout=10).startswith(b"product_id,")


def test_an_export_that_cannot_be_written_leaves_what_was_there(world: World, tmp_path: Path) -> None:
    result = wcsync(world, "export", str(tmp_path / "missing" / "all.csv"))
    assert (result.exit_code, "cannot be written" in result.output) == (1, True)
    world.shop.faults.add(Fault(kind="html200", times=None))
    file = tmp_path / "all.csv"
    file.write_text("as it was")
    assert wcsync(world, "export", str(file)).exit_code == 69
    assert [one.name for one in tmp_path.iterdir() if one.is_file() and "csv" in one.name] == ["all.csv"]
    assert file.read_text() == "as it was"


def test_the_daemon_does_not_load_what_only_suggestions_need() -> None:
    code = "import sys, wcsync.cli.run; sys.exit('rapidfuzz' in sys.modules or 'wcsync.catalogue' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
