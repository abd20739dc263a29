"""What `wcsync init` leaves behind, and what it leaves alone."""

import os
import re
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from wcsync.cli import main
from wcsync.cli.starter import CONFIG, example
from wcsync.config import load_config
from wcsync.errors import ConfigError
from wcsync.lms.registry import KINDS
from wcsync.mappers.mapping_table import course_key

ROOT = Path(__file__).parents[2]


def init(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["init", *map(str, words)])


def fill_in(folder: Path) -> None:
    for path in (folder / "credentials").iterdir():
        path.write_text(f"a{path.name}\n")
    config = folder / "config.toml"
    config.write_text(re.sub(r"https://your-[a-z0-9]+\.invalid", "https://site.example", config.read_text()))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_files_have_their_modes_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        assert init(tmp_path / "shop").exit_code == 0
    finally:
        os.umask(before)
    folder = tmp_path / "shop"
    assert [mode(folder / name) for name in ("", "config.toml", "mapping.toml")] == [0o755, 0o644, 0o644]
    assert mode(folder / "credentials") == 0o700
    assert {path.name: mode(path) for path in (folder / "credentials").iterdir()} == {
        "woocommerce_key": 0o600,
        "woocommerce_secret": 0o600,
        "moodle_token": 0o600,
    }
    assert sorted(path.name for path in folder.iterdir()) == ["config.toml", "credentials", "mapping.toml"]


def test_what_is_complained_about_afterwards_is_exactly_what_is_to_be_filled_in(tmp_path: Path) -> None:
    init(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "config.toml", {})
    keys = [problem.where.rpartition(": ")[2] for problem in caught.value.problems]
    assert keys == ["store.url", "store.consumer_key", "store.consumer_secret", "lms.0.url", "lms.0.token"]
    for name in ("woocommerce_key", "woocommerce_secret", "moodle_token"):
        assert str(tmp_path / "credentials" / name) in str(caught.value)


@pytest.mark.parametrize("way", ["file", "credential"])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_config_loads_once_it_is_filled_in(tmp_path: Path, kind: str, way: str) -> None:
    result = init(tmp_path, "--lms", kind, "--secrets", way)
    assert result.exit_code == 0, result.output
    fill_in(tmp_path)
    env = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")} if way == "credential" else {}
    loaded = load_config(tmp_path / "config.toml", env)
    assert [lms.kind for lms in loaded.config.lms] == [kind]
    assert loaded.warnings == ()


def test_all_that_is_said_on_the_command_line_stands_in_the_config(tmp_path: Path) -> None:
    words = ["--shop-url", "https://shop.example/", "--lms", "360learning", "--lms-url", "https://a.example"]
    words += [
        "--lms-name",
        "north",
        "--lms",
        "moodle",
        "--lms-url",
        "https://b.example",
        "--lms-name",
        "south",
    ]
    assert init(tmp_path, *words).exit_code == 0
    fill_in(tmp_path)
    config = load_config(tmp_path / "config.toml", {}).config
    assert config.store.url == "https://shop.example"
    assert [(lms.name, lms.url) for lms in config.lms] == [
        ("north", "https://a.example"),
        ("south", "https://b.example"),
    ]
    assert '# lms = "south"' in (tmp_path / "mapping.toml").read_text()


def test_two_of_a_kind_have_secrets_of_their_own(tmp_path: Path) -> None:
    init(tmp_path, "--lms", "moodle", "--lms-name", "a", "--lms", "moodle", "--lms-name", "b")
    fill_in(tmp_path)
    first, second = load_config(tmp_path / "config.toml", {}).config.lms
    assert (first.token.reveal(), second.token.reveal()) == ("amoodle_token", "ab_token")  # type: ignore[attr-defined]  # Moodle's own settings


def test_a_new_mapping_has_no_row_in_force(tmp_path: Path) -> None:
    init(tmp_path)
    assert all(line.startswith("#") for line in (tmp_path / "mapping.toml").read_text().split("\n") if line)


def test_a_second_run_completes_what_is_missing_and_changes_nothing_else(tmp_path: Path) -> None:
    init(tmp_path)
    fill_in(tmp_path)
    (tmp_path / "credentials" / "moodle_token").unlink()
    (tmp_path / "mapping.toml").write_text("mine\n")
    before = (tmp_path / "config.toml").read_bytes()
    result = init(tmp_path)
    assert result.exit_code == 0
    assert (tmp_path / "config.toml").read_bytes() == before
    assert (tmp_path / "mapping.toml").read_text() == "mine\n"
    assert (tmp_path / "credentials" / "woocommerce_key").read_text() == "awoocommerce_key\n"
    assert re.findall(r"made +(\S+)", result.stdout) == [str(tmp_path / "credentials" / "moodle_token")]
    assert f"left alone  {tmp_path / 'config.toml'}" in result.stdout


def test_the_secrets_made_are_those_the_config_that_is_there_names(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        '[store]\nconsumer_key = { file = "keys/ck" }\nconsumer_secret = { credential = "cs" }\n'
        '[[lms]]\ntoken = { file = "/elsewhere/token" }\nother = { file = "../outside" }\n'
    )
    assert init(tmp_path).exit_code == 0
    made = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert made == {"config.toml", "mapping.toml", "keys/ck", "credentials/cs"}
    assert not (tmp_path.parent / "outside").exists()


def test_options_beside_a_config_that_is_there_are_told_to_have_done_nothing(tmp_path: Path) -> None:
    init(tmp_path)
    assert "NOT put into it" in init(tmp_path, "--shop-url", "https://other.example").stderr


@pytest.mark.parametrize("target", ["config.toml", "credentials/moodle_token"])
def test_a_link_that_leads_nowhere_is_left_alone(tmp_path: Path, target: str) -> None:
    (tmp_path / "credentials").mkdir(mode=0o700)
    (tmp_path / target).symlink_to(tmp_path / "nowhere")
    init(tmp_path)
    assert not (tmp_path / "nowhere").exists()


def test_secrets_that_others_can_read_are_named_with_the_command_that_mends_it(tmp_path: Path) -> None:
    init(tmp_path)
    (tmp_path / "credentials" / "moodle_token").chmod(0o644)
    result = init(tmp_path)
    assert result.exit_code == 78
    assert f"chmod 600 {tmp_path}/credentials/moodle_token" in result.stderr


def test_a_file_in_the_place_of_the_folder_is_a_sentence_and_78(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("")
    result = init(tmp_path / "shop" / "deeper")
    assert result.exit_code == 78
    assert "something else of that name" in result.stderr


def test_a_spoilt_config_is_left_alone_and_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[store\n")
    result = init(tmp_path)
    assert result.exit_code == 78
    assert "config.toml:1" in result.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--shop-url", "shop.example"], "is no address"),
        (["--shop-url", "https://shop.example/wp-admin"], "holds /wp-admin"),
        (["--lms", "noodle"], "moodle"),
        (["--lms", "moodle", "--lms-name", "a b"], "is no name"),
        (["--lms", "moodle", "--lms-name", "Shop"], "is taken"),
        (["--lms", "moodle", "--lms", "moodle"], "is taken"),
        (["--lms", "moodle", "--lms", "360learning", "--lms-url", "https://a.example"], "for each --lms"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_words_end_with_2_and_make_nothing(tmp_path: Path, words: list[str], complaint: str) -> None:
    result = init(tmp_path / "shop", *words)
    assert (result.exit_code, complaint in result.stderr) == (2, True), result.stderr
    assert not (tmp_path / "shop").exists()


def test_no_option_takes_a_secret() -> None:
    command = main.get_command(click.Context(main), "init")
    assert command
    names = {name for option in command.params for name in option.opts}
    assert not [name for name in names if re.search("key|token|password|client", name)]


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In place of /etc."""
    monkeypatch.setattr("wcsync.cli.init.SYSTEM", tmp_path)
    monkeypatch.setattr("wcsync.cli.init.HOME", tmp_path / "wcsync")
    return tmp_path


@pytest.mark.parametrize(
    ("folder", "unit", "name"),
    [
        pytest.param("wcsync", "wcsync.service", "wcsync", id="the one shop"),
        pytest.param("wcsync/north", "wcsync@.service", "wcsync@north", id="one of several"),
    ],
)
def test_a_unit_that_fits_is_taken_as_it_is_whatever_secrets_there_are(
    etc: Path, folder: str, unit: str, name: str
) -> None:
    """The units load the whole folder: a list of secrets would keep out those that are added later."""
    told = init(etc / folder, "--lms", "360learning").output
    assert f"sudo cp systemd/{unit} /etc/systemd/system/\n" in told
    assert f"sudo systemctl enable --now {name}\n" in told
    assert not list(etc.rglob("*.conf"))


@pytest.mark.parametrize("folder", ["elsewhere", "wcsync/North_Shop"])
def test_a_folder_that_no_unit_is_made_for_gets_a_drop_in(etc: Path, folder: str) -> None:
    told = init(etc / folder).output
    [drop_in] = etc.rglob("*.conf")
    lines = drop_in.read_text().splitlines()
    assert lines[-2:] == ["LoadCredential=", f"LoadCredential=wcsync:{etc / folder}/credentials"]
    assert any(line.endswith(f"run --config {etc / folder}/config.toml") for line in lines)
    unit = f"wcsync-{Path(folder).name}"
    assert f"{drop_in} /etc/systemd/system/{unit}.service.d/" in told
    assert f"sudo systemctl enable --now {unit}\n" in told


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_of_lms_is_told_where_its_secrets_and_rows_come_from(kind: str, tmp_path: Path) -> None:
    told = init(tmp_path / "shop", "--lms", kind).output
    assert KINDS[kind].guide in told
    assert course_key(KINDS[kind].target_keys).doc in told


def test_the_template_is_the_example_itself() -> None:
    assert example(CONFIG) == (ROOT / "config.example.toml").read_text()


@pytest.mark.prove
def test_an_installed_package_carries_its_templates(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "-w", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = archive.read("wcsync/config/config.example.toml").decode()
        archive.extractall(tmp_path / "site")
    assert packed == (ROOT / "config.example.toml").read_text()
    site = tmp_path / "site"
    words = [sys.executable, "-m", "wcsync", "init", str(tmp_path / "shop")]
    subprocess.run(words, check=True, cwd=site, env={**os.environ, "PYTHONPATH": str(site)})
    assert (tmp_path / "shop" / "config.toml").is_file()
