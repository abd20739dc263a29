"""New rows in a mapping file: whole or not at all, and nothing of what stands there is lost."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wcsync.errors import ConfigError
from wcsync.lms.registry import KINDS
from wcsync.mappers.added_rows import NewRow, add_rows, render_rows
from wcsync.mappers.mapping import TargetKey, read_mapping
from wcsync.mapping_file import append_rows
from wcsync.model import CourseId, LmsName, ProductId, Target

CAMPUS, ACADEMY = LmsName("campus"), LmsName("academy")
KEYS: dict[LmsName, tuple[TargetKey, ...]] = {
    CAMPUS: KINDS["moodle"].target_keys,
    ACADEMY: KINDS["360learning"].target_keys,
}
GROUP, PATH = "5f8d0a3c2b1e4d0012ab34cd", "60a1b2c3d4e5f60012ab34ce"
TOML = b'# ours\n[[map]]\nsku = "XL-1"\nlms = "campus"\ncourse = "41"'
CSV = "\ufeffSKU;lms;course;group;note\r\nXL-1;campus;41;;Excel".encode()


def campus(course: str = "42", sku: str = "PY-101", title: str = "Curso de Python") -> NewRow:
    target = Target(lms=CAMPUS, course_id=CourseId(course))
    return NewRow(product_id=ProductId(1017), sku=sku, target=target, title=title)


def academy() -> NewRow:
    target = Target(lms=ACADEMY, course_id=CourseId(GROUP), options=(("path", PATH),))
    return NewRow(product_id=ProductId(1020), sku="", target=target, title="Liderazgo")


def test_rows_come_behind_what_a_person_wrote() -> None:
    assert add_rows("mapping.toml", TOML, [campus(), academy()], KEYS).decode() == (
        TOML.decode() + "\n\n# Curso de Python\n[[map]]\n"
        'sku = "PY-101"\nlms = "campus"\ncourse = "42"\n\n# Liderazgo\n[[map]]\nproduct_id = 1020\n'
        f'lms = "academy"\ngroup = "{GROUP}"\npath = "{PATH}"\n'
    )


def test_the_columns_of_a_spreadsheet_stay_as_they_are() -> None:
    new = add_rows("mapping.csv", CSV, [campus(title="=cmd()")], KEYS)
    assert new == CSV + b"\r\nPY-101;campus;42;;'=cmd()\r\n"


def test_a_column_that_is_missing_is_named() -> None:
    with pytest.raises(ConfigError, match="no column path and no product_id"):
        add_rows("mapping.csv", CSV, [academy()], KEYS)


def test_an_empty_file_gets_its_first_rows() -> None:
    mapping = read_mapping("mapping.toml", add_rows("mapping.toml", b"", [campus()], KEYS), KEYS)
    assert [row.targets for row in mapping.rows] == [(campus().target,)]


def test_the_line_ends_of_the_file_are_kept() -> None:
    new = add_rows("mapping.toml", TOML.replace(b"\n", b"\r\n"), [campus()], KEYS)
    assert new.count(b"\r\n") == new.count(b"\n") == 11


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'map = [{sku = "XL-1", lms = "campus", course = "41"}]\n', id="rows in one list"),
        pytest.param(b'[[map]]\nsku = "PY-101"\nignore = true\n', id="another row about that product"),
        pytest.param(b'[[map]]\nsku = "XL-1"\nlms = "campus"\ncourse = "4', id="a file with a mistake"),
    ],
)
def test_a_file_that_would_not_be_read_as_meant_is_left_to_its_writer(content: bytes) -> None:
    with pytest.raises(ConfigError):
        add_rows("mapping.toml", content, [campus()], KEYS)


def test_rows_to_be_pasted_into_no_file_have_all_columns() -> None:
    terms = "days,until,with_subscription,seats,on_withdraw"
    assert render_rows("mapping.csv", [academy()], KEYS).decode().splitlines() == [
        f"product_id,variation_id,sku,lms,course,group,ignore,note,cohort,role,path,session,{terms}",
        f"1020,,,academy,,{GROUP},,Liderazgo,,,{PATH},,,,,,",
    ]


@settings(max_examples=50)
@given(titles=st.lists(st.text(), max_size=3), csv=st.booleans())
def test_whatever_a_course_is_called_the_row_means_its_course(titles: list[str], csv: bool) -> None:
    name, content = ("mapping.csv", CSV) if csv else ("mapping.toml", TOML)
    rows = [campus(str(number), f"NEW-{number}", title) for number, title in enumerate(titles, 100)]
    mapping = read_mapping(name, add_rows(name, content, rows, KEYS), KEYS)
    assert [row.targets for row in mapping.rows[1:]] == [(row.target,) for row in rows]


# -- the file ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "mapping.toml"
    file.write_bytes(TOML)
    file.chmod(0o640)
    return file


def test_the_file_keeps_its_mode_and_leaves_nothing_beside(path: Path) -> None:
    append_rows(path, TOML, [campus()], KEYS)
    assert path.read_bytes() == add_rows("mapping.toml", TOML, [campus()], KEYS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_file_keeps_its_owner(path: Path) -> None:
    os.chown(path, 1234, 4321)
    append_rows(path, TOML, [campus()], KEYS)
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 4321)


def test_a_change_of_the_file_shows_in_its_time(path: Path) -> None:
    os.utime(path, (1, 1))
    append_rows(path, TOML, [campus()], KEYS)
    assert path.stat().st_mtime > 1_000_000


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    append_rows(link, TOML, [campus()], KEYS)
    assert link.is_symlink()
    assert b"PY-101" in path.read_bytes()


def test_what_a_person_saved_meanwhile_stays(path: Path) -> None:
    path.write_bytes(TOML + b"\n# more\n")
    with pytest.raises(ConfigError, match="changed meanwhile"):
        append_rows(path, TOML, [campus()], KEYS)
    assert path.read_bytes() == TOML + b"\n# more\n"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_gone_is_not_made_anew(path: Path) -> None:
    path.unlink()
    with pytest.raises(ConfigError, match="cannot be written"):
        append_rows(path, TOML, [campus()], KEYS)
    assert not path.exists()


def test_a_disk_that_is_full_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left"):
        append_rows(path, TOML, [campus()], KEYS)
    assert path.read_bytes() == TOML
    assert list(path.parent.iterdir()) == [path]
