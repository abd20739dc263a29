"""Secrets are found where the config says, and shown to nobody."""

import copy
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from wcsync.credentials import MAX_SECRET_BYTES, Origin, Secret, Sources, read_plain_file

VALUE = "cs_Xyzzy-42"


class Holder(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    token: Secret


def write(path: Path, content: bytes | str = VALUE + "\n", mode: int = 0o600) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def resolve(written: object, base_dir: Path, env: dict[str, str] | None = None) -> Secret:
    sources = Sources(base_dir=base_dir, env=env or {})
    return Holder.model_validate({"token": written}, context=sources).token


def refuse(written: object, base_dir: Path, env: dict[str, str] | None = None) -> ErrorDetails:
    with pytest.raises(ValidationError) as caught:
        resolve(written, base_dir, env)
    [error] = caught.value.errors()
    return error


def test_a_credential_is_read_from_the_folder_systemd_names(tmp_path: Path) -> None:
    write(tmp_path / "shop_key", mode=0o440)
    secret = resolve({"credential": "shop_key"}, Path("/nowhere"), {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert (secret.reveal(), secret.origin) == (VALUE, Origin.CREDENTIAL)


def test_a_credential_of_a_folder_that_systemd_loaded_whole_has_its_files_name(tmp_path: Path) -> None:
    """systemd puts the folder's id before each file's name."""
    write(tmp_path / "wcsync_shop_key", mode=0o440)
    secret = resolve({"credential": "shop_key"}, Path("/nowhere"), {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert secret.reveal() == VALUE


def test_without_the_folder_the_error_says_how_to_run_by_hand(tmp_path: Path) -> None:
    error = refuse({"credential": "shop_key"}, tmp_path)
    assert "$CREDENTIALS_DIRECTORY is not set" in error["msg"]
    assert "CREDENTIALS_DIRECTORY=/path/to/folder wcsync" in error["ctx"]["remedy"]


@pytest.mark.parametrize("name", ["../key", "/etc/passwd", "..", ".", "a/b"])
def test_a_credential_name_never_leaves_its_folder(name: str, tmp_path: Path) -> None:
    write(tmp_path / "key")
    folder = tmp_path / "credentials"
    folder.mkdir()
    error = refuse({"credential": name}, tmp_path, {"CREDENTIALS_DIRECTORY": str(folder)})
    assert "without folders" in error["msg"]


def test_a_file_is_looked_up_beside_the_config(tmp_path: Path) -> None:
    write(tmp_path / "key")
    secret = resolve({"file": "key"}, tmp_path)
    assert (secret.reveal(), secret.origin) == (VALUE, Origin.FILE)


def test_a_variable_is_read_from_the_given_environment(tmp_path: Path) -> None:
    secret = resolve({"env": "SHOP_KEY"}, tmp_path, {"SHOP_KEY": VALUE})
    assert (secret.reveal(), secret.origin) == (VALUE, Origin.ENV)


def test_a_literal_is_taken_and_marked(tmp_path: Path) -> None:
    secret = resolve(VALUE, tmp_path)
    assert (secret.reveal(), secret.origin) == (VALUE, Origin.LITERAL)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_file_that_others_may_touch_is_refused_with_the_command_that_mends_it(
    mode: int, tmp_path: Path
) -> None:
    path = write(tmp_path / "key", mode=mode)
    error = refuse({"file": "key"}, tmp_path)
    assert f"mode {mode:04o}" in error["msg"]
    assert f"chmod 600 {path}" in error["ctx"]["remedy"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param("", "is empty", id="empty"),
        pytest.param("\n", "is empty", id="only a line end"),
        pytest.param(VALUE + " \n", "ends with a blank", id="blank at the end"),
        pytest.param(VALUE + "\n" + VALUE, "second line", id="two lines"),
        pytest.param("a\tb", "control character", id="control character"),
        pytest.param(b"\xff\xfe\x00", "UTF-8", id="not text"),
        pytest.param(b"x" * (MAX_SECRET_BYTES + 1), "larger than", id="too long"),
    ],
)
def test_a_file_that_holds_no_secret_is_refused(content: bytes | str, complaint: str, tmp_path: Path) -> None:
    write(tmp_path / "key", content)
    assert complaint in refuse({"file": "key"}, tmp_path)["msg"]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n", ""])
def test_line_ends_after_the_secret_do_not_belong_to_it(ending: str, tmp_path: Path) -> None:
    write(tmp_path / "key", VALUE + ending)
    assert resolve({"file": "key"}, tmp_path).reveal() == VALUE


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    error = refuse({"file": "key"}, tmp_path)
    assert 'the file "key" cannot be read (No such file or directory)' in error["msg"]


def test_a_folder_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "key").mkdir()
    assert "It is a folder" in refuse({"file": "key"}, tmp_path)["msg"]


def test_a_pipe_does_not_hold_up_the_start(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "key", 0o600)
    assert "It is a pipe" in refuse({"file": "key"}, tmp_path)["msg"]


def test_a_device_is_no_secret(tmp_path: Path) -> None:
    assert "not a regular file" in refuse({"file": "/dev/zero"}, tmp_path)["msg"]


def test_a_name_with_a_nul_is_refused(tmp_path: Path) -> None:
    assert "NUL" in refuse({"file": "a\0b"}, tmp_path)["msg"]


@pytest.mark.parametrize(
    ("env", "complaint"),
    [({}, '"SHOP_KEY" is not set'), ({"SHOP_KEY": ""}, "is empty")],
    ids=["unset", "empty"],
)
def test_a_variable_without_value_is_refused(env: dict[str, str], complaint: str, tmp_path: Path) -> None:
    assert complaint in refuse({"env": "SHOP_KEY"}, tmp_path, env)["msg"]


@pytest.mark.parametrize(
    "written",
    [
        pytest.param({"file": "key", "env": "SHOP_KEY"}, id="two ways"),
        pytest.param({}, id="no way"),
        pytest.param({"vault": "key"}, id="unknown way"),
        pytest.param({"file": ""}, id="empty name"),
        pytest.param({"file": 3}, id="name is a number"),
        pytest.param(12345, id="number"),
        pytest.param(["key"], id="list"),
    ],
)
def test_anything_but_exactly_one_way_is_refused(written: object, tmp_path: Path) -> None:
    error = refuse(written, tmp_path)
    assert error["msg"] == "a secret is given in exactly one way"
    assert '{ credential = "name" }' in error["ctx"]["remedy"]


@pytest.mark.parametrize("way", ["credential", "file", "env"])
def test_a_secret_written_where_its_name_belongs_is_not_repeated(way: str, tmp_path: Path) -> None:
    key = "ck_" + "0123456789abcdef" * 2
    error = refuse(
        {way: key}, tmp_path, {"CREDENTIALS_DIRECTORY": str(tmp_path)} if way == "credential" else {}
    )
    assert key not in error["msg"]
    assert key not in error["ctx"]["remedy"]


@pytest.mark.parametrize(
    "show",
    [
        pytest.param(repr, id="repr"),
        pytest.param(str, id="str"),
        pytest.param(lambda secret: f"{secret:>40}", id="format"),
        pytest.param(lambda secret: "%s %r" % (secret, secret), id="percent"),  # noqa: UP031
        pytest.param(lambda secret: repr(Holder(token=secret)), id="repr of its model"),
        pytest.param(lambda secret: repr(Holder(token=secret).model_dump()), id="dump"),
        pytest.param(lambda secret: Holder(token=secret).model_dump_json(), id="JSON"),
        pytest.param(lambda secret: repr(ValueError(secret)), id="exception"),
        pytest.param(lambda secret: repr(copy.deepcopy([secret])), id="copy"),
    ],
)
def test_a_secret_is_not_shown_in(show: Callable[[Secret], str]) -> None:
    shown = show(Secret(VALUE))
    assert "***" in shown
    assert VALUE not in shown


def test_a_secret_cannot_be_pickled() -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Secret(VALUE))


def test_no_error_of_a_model_shows_a_secret() -> None:
    class Other(Holder):
        number: int

    with pytest.raises(ValidationError) as caught:
        Other.model_validate({"token": VALUE + "\nsecond", "number": VALUE})
    assert VALUE not in str(caught.value)


def test_secrets_are_equal_by_value() -> None:
    assert Secret(VALUE) == Secret(VALUE, Origin.ENV)
    assert Secret(VALUE) != Secret("other")
    assert Secret(VALUE) != VALUE
    assert len({Secret(VALUE), Secret(VALUE)}) == 1


def test_a_copy_is_the_same_secret() -> None:
    secret = Secret(VALUE)
    assert copy.copy(secret) is secret


def test_without_sources_names_are_looked_up_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write(tmp_path / "key").parent)
    assert Holder.model_validate({"token": {"file": "key"}}).token.reveal() == VALUE


def test_a_file_is_private_if_only_its_owner_can_read_it(tmp_path: Path) -> None:
    modes = {
        mode: read_plain_file(write(tmp_path / "key", mode=mode), 100).private for mode in (0o600, 0o644)
    }
    assert modes == {0o600: True, 0o644: False}


def test_the_value_of_a_file_is_in_no_repr(tmp_path: Path) -> None:
    assert VALUE not in repr(read_plain_file(write(tmp_path / "key"), 100))
