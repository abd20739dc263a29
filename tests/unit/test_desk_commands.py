"""What people decide, as they type it: seats, ends, holds, addresses, erasing, withdrawals."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.fakes import make_line, make_order
from tests.spine import Spine
from tests.unit.test_desk_contract import ANA, BEA, inside, kinds, refund_all, sold, trash
from tests.unit.test_people import CONFIG, MAPPING, refuse
from wcsync.app import utc_now
from wcsync.cli import main
from wcsync.ledger.connection import connect
from wcsync.sale import Refund, RefundLine

NEVER = CONFIG + '[learners]\nnever = ["@rival.example"]\n'


@pytest.fixture
def spine(tmp_path: Path) -> Iterator[Spine]:
    (tmp_path / "config.toml").write_text(NEVER)
    (tmp_path / "mapping.toml").write_text(MAPPING)
    spine = Spine(tmp_path)
    yield spine
    spine.close()


def wcsync(spine: Spine, *words: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, [*words, "--config", str(spine.path.parent / "config.toml")], input=stdin)


def work(spine: Spine) -> None:
    """Commands go by the world's clock."""
    spine.clock.now = max(spine.clock.now, utc_now() + timedelta(seconds=1))
    spine.work()


def csv(spine: Spine, text: str | bytes) -> str:
    path = spine.path.parent / "learners.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


# -- backup ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ("missing/copies", "No such file or directory"),
        ("config.toml/copies", "Not a directory"),
        ("/proc/zz", "No such file or directory"),
        ("n" * 300, "File name too long"),
        ("config.toml", "that is no folder"),
    ],
    ids=["parent missing", "parent a file", "proc", "long", "a file"],
)
def test_a_folder_for_backups_that_cannot_be_had_is_told(spine: Spine, named: str, reason: str) -> None:
    folder = spine.path.parent / named
    result = wcsync(spine, "backup", str(folder), "--keep", "2", "--json")
    assert result.exit_code == 78, (result.output, result.exception)
    [problem] = json.loads(result.stdout)["problems"]
    assert problem["where"] == str(folder)
    assert reason in problem["message"]
    assert "name another" in problem["remedy"]


def test_a_file_for_a_backup_with_too_long_a_name_is_told(spine: Spine) -> None:
    result = wcsync(spine, "backup", str(spine.path.parent / ("n" * 300)), "--json")
    assert result.exit_code == 78, (result.output, result.exception)
    assert "File name too long" in result.stdout


SECRETS_IN_FILES = CONFIG.replace('{ env = "K" }', '{ file = "secrets/key" }').replace(
    '{ env = "S" }', '{ credential = "key_secret" }'
)


@pytest.mark.parametrize("force", [["--force"], []], ids=["forced", "not forced"])
@pytest.mark.parametrize("linked", ["", "symbolic", "hard"])
@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("config.toml", "the config"),
        ("mapping.toml", "the mapping"),
        ("secrets/key", "a secret"),
        ("credentials/key_secret", "a secret"),
        ("handed/key_secret", "a secret"),
    ],
)
def test_no_backup_is_written_over_a_file_in_use(
    spine: Spine, name: str, what: str, linked: str, force: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = spine.path.parent
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(home / "handed"))
    (home / "config.toml").write_text(SECRETS_IN_FILES)
    used = home / name
    used.parent.mkdir(exist_ok=True)
    used.write_text(used.read_text() if used.exists() else "cs_x")
    before, named = used.read_bytes(), home / "other"
    match linked:
        case "symbolic":
            named.symlink_to(used)
        case "hard":
            named.hardlink_to(used)
        case _:
            named = used
    result = wcsync(spine, "backup", str(named), *force, "--json")
    assert result.exit_code == 78, result.output
    [problem] = json.loads(result.stdout)["problems"]
    assert problem["message"] == f"that is {what} in use"
    assert "--force" not in problem["remedy"]
    assert used.read_bytes() == before


def test_a_name_that_the_mapping_is_to_have_is_no_name_for_a_backup(spine: Spine) -> None:
    mapping = spine.path.parent / "mapping.toml"
    mapping.unlink()
    assert wcsync(spine, "backup", str(mapping)).exit_code == 78
    assert not mapping.exists()


# -- parked assign ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("7", "3", BEA.email, "Bea", "Maria", "Berg"),
        ("7", "3", BEA.email, "Berg, Bea Maria"),
        ("id:7", BEA.email, "Bea Maria Berg"),
    ],
    ids=["words", "last name first", "without a line"],
)
def test_a_seat_is_given_by_words(spine: Spine, words: tuple[str, ...]) -> None:
    spine.record(sold())
    result = wcsync(spine, "parked", "assign", *words)
    assert result.exit_code == 0, result.output
    assert 'Order 7, line 3 "Course PY-101": 1 seat given; 1 seat is still open' in result.stdout
    assert "run --once --config" in result.stdout
    (learner,) = spine.rows("SELECT * FROM learners WHERE email = ?", BEA.email)
    assert (learner["first_name"], learner["last_name"]) == ("Bea Maria", "Berg")
    work(spine)
    assert (BEA.email, "42") in inside(spine)


def test_a_seat_given_twice_is_given_once_and_says_so(spine: Spine) -> None:
    spine.record(sold())
    wcsync(spine, "parked", "assign", "7", BEA.email)
    again = wcsync(spine, "parked", "assign", "7", BEA.email)
    assert again.exit_code == 0
    assert "1 learner has a seat of it already" in again.stdout


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("7",), 2, "say ORDER [LINE] EMAIL [NAME]"),
        (("7", "3", "4", BEA.email), 2, "say ORDER [LINE] EMAIL [NAME]"),
        (("7", "3", "bea@"), 2, "is no usable e-mail address"),
        (("9", "3", BEA.email), 1, "the ledger has no order 9"),
        (
            ("7", "9", BEA.email),
            1,
            'Order 7 has no line with the id 9. Lines with open seats: 3 "Course PY-101"',
        ),
        (("7", "3", "eve@rival.example"), 1, "is not to be enrolled, by [learners] never"),
        (("8", BEA.email), 1, "Order 8 has open seats in 2 lines"),
        (("10", BEA.email), 1, "Order 10 has no open seat"),
    ],
    ids=["no address", "too many words", "bad address", "order", "line", "never", "which line", "none open"],
)
def test_what_cannot_be_given_is_a_sentence_and_nothing_is_done(
    spine: Spine, words: tuple[str, ...], code: int, sentence: str
) -> None:
    several = tuple(make_line(line, sku=sku, quantity="2") for line, sku in ((1, "PY-101"), (2, "PY-102")))
    spine.record(sold(), make_order(8, lines=several), make_order(10))
    result = wcsync(spine, "parked", "assign", *words)
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    assert sentence in result.stderr
    assert spine.rows("SELECT * FROM audit WHERE action = 'seat_assigned'") == []


def test_a_slip_of_the_finger_is_told_and_the_seat_is_given(spine: Spine) -> None:
    spine.record(sold())
    result = wcsync(spine, "parked", "assign", "7", "bea@gmial.com")
    assert result.exit_code == 0
    assert (
        "warning: gmial.com looks like a slip for gmail.com; if it is one: wcsync relink OLD NEW"
        in result.stderr
    )


def test_a_seat_of_a_held_order_is_given_and_waits(spine: Spine) -> None:
    spine.record(sold())
    wcsync(spine, "hold", "7")
    result = wcsync(spine, "parked", "assign", "7", BEA.email)
    assert "the order is held: nobody gets in until wcsync release 7 --config" in result.stdout
    work(spine)
    assert inside(spine) == set()


@pytest.mark.parametrize(
    "text",
    [
        "order,line,email,first_name,last_name\n7,3,bea@example.test,Bea,Berg\n7,3,cleo@example.test,Cleo,Clay\n",
        "\ufeffsep=;\r\nOrder;Line;E-Mail;Name\r\n7;3;bea@example.test;Bea Berg\r\n7;;cleo@example.test;Cleo Clay\r\n",
        "email\torder\nbea@example.test\t7\ncleo@example.test\t7\n",
    ],
    ids=["all columns", "a spreadsheet's", "tabs"],
)
def test_seats_are_given_by_a_list(spine: Spine, text: str) -> None:
    spine.record(sold())
    result = wcsync(spine, "parked", "assign", "--csv", csv(spine, text))
    assert result.exit_code == 0, result.output
    assert "2 seats given; no seat is open any more" in result.stdout
    assert kinds(spine) == []


def test_a_list_may_come_on_stdin_with_order_and_line_in_the_command(spine: Spine) -> None:
    spine.record(sold())
    result = wcsync(
        spine, "parked", "assign", "7", "3", "--csv", "-", stdin=b"email,name\nbea@example.test,Bea Berg\n"
    )
    assert result.exit_code == 0, result.output
    assert "1 seat given" in result.stdout


def test_every_mistake_of_a_list_is_told_with_its_line_and_nothing_is_done(spine: Spine) -> None:
    spine.record(sold())
    text = (
        "order,line,email,name\n7,3,bea@example.test,Bea\n7,3,nowhere,X\n9,3,cleo@example.test,C\n7,8,dora@example.test,D\n"
        "7,3,BEA@example.test,Bea\n,,eve@example.test,E\n7,3,mallory@rival.example,M\n7,3,,\n"
    )
    result = wcsync(spine, "parked", "assign", "--csv", csv(spine, text))
    assert result.exit_code == 78
    told = [
        line.partition(":")[2].partition(":")[0] for line in result.stderr.splitlines() if ".csv:" in line
    ]
    assert told == ["3", "9"]  # what is no row at all comes first, alone
    clean = csv(
        spine, "\n".join(row for row in text.splitlines() if "nowhere" not in row and not row.endswith(",,"))
    )
    result = wcsync(spine, "parked", "assign", "--csv", clean)
    told = [
        line.partition(":")[2].partition(":")[0] for line in result.stderr.splitlines() if ".csv:" in line
    ]
    assert (result.exit_code, told) == (78, ["3", "4", "5", "6", "7"])
    assert spine.rows("SELECT * FROM audit WHERE action = 'seat_assigned'") == []


def test_a_list_with_more_learners_than_seats_is_refused_whole(spine: Spine) -> None:
    spine.record(sold())
    rows = "".join(f"7,u{n}@example.test\n" for n in range(3))
    result = wcsync(spine, "parked", "assign", "--csv", csv(spine, f"order,email\n{rows}"))
    assert result.exit_code == 78
    assert "learners.csv:4: line 3 of Order 7 has 2 open seats, and 3 learners are named" in result.stderr
    assert kinds(spine) == ["open_seats"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", "does not begin with its column names"),
        (b"email,name\n", "names no learner"),
        (b"email,nick\nbea@example.test,B\n", "unknown column"),
        ("email,name\nbea@example.test,Núñez\n".encode("latin-1"), "not UTF-8"),
        (b"email,email\na@b.cd,a@b.cd\n", "is there twice"),
        (b'email,name\na@b.cd,"Bea\n', "is not CSV"),
        (b"email,name\na@b.cd,Bea,Berg\n", "has no name"),
    ],
    ids=["empty", "no rows", "unknown column", "latin-1", "twice", "broken", "stray cell"],
)
def test_a_file_that_is_no_list_is_refused_with_its_line(spine: Spine, text: bytes, sentence: str) -> None:
    spine.record(sold())
    result = wcsync(spine, "parked", "assign", "7", "--csv", csv(spine, text))
    assert result.exit_code == 78
    assert sentence in result.stderr
    assert "learners.csv" in result.stderr


# -- parked list -----------------------------------------------------------------------------------------------------


def test_the_list_names_the_command_that_answers_with_the_config_that_was_named(spine: Spine) -> None:
    spine.record(sold())
    shown = wcsync(spine, "parked", "list").stdout
    assert "wcsync parked assign 7 3 EMAIL NAME --config " in shown


# -- parked end ------------------------------------------------------------------------------------------------------


def test_an_end_says_what_ended_and_what_comes_next(spine: Spine) -> None:
    spine.record(sold(quantity="1"))
    work(spine)
    trash(spine)
    result = wcsync(spine, "parked", "end", "7")
    assert result.exit_code == 0, result.output
    for part in (
        "Order 7: you said that it ends (order in the trash)",
        "line 3, seat 1, campus course 42: ended; learner ",
        "1 learner is withdrawn next. No daemon runs: wcsync run --once --config",
    ):
        assert part in result.stdout
    work(spine)
    assert inside(spine) == set()


def test_an_end_tells_who_stays_in_by_another_order(spine: Spine) -> None:
    spine.record(sold(quantity="1"), make_order(8))
    work(spine)
    trash(spine)
    assert "stays in, by another paid order" in wcsync(spine, "parked", "end", "7").stdout
    work(spine)
    assert inside(spine) == {(ANA.email, "42")}


def test_where_nothing_is_asked_nothing_ends(spine: Spine) -> None:
    spine.record(sold(quantity="1"))
    result = wcsync(spine, "parked", "end", "7")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "nothing was done: nothing is asked about Order 7; wcsync parked list --config" in result.stderr
    assert wcsync(spine, "parked", "end", "99").exit_code == 1


def test_whose_seat_ends_is_for_a_person_to_say(spine: Spine) -> None:
    spine.record(sold(quantity="2"))
    wcsync(spine, "parked", "assign", "7", BEA.email)
    work(spine)
    spine.tick(60)
    line = RefundLine(line_id=3, quantity=Decimal(1), total=Decimal("24.50"))
    refund = Refund(refund_id=77, total=Decimal("24.50"), lines=(line,))
    spine.record(sold(quantity="2", refunds=(refund,), modified_at=spine.clock()))
    assert "parked end 7 --line 3 --learner EMAIL" in wcsync(spine, "parked", "list").stdout
    vague = wcsync(spine, "parked", "end", "7")
    assert (vague.exit_code, vague.stdout) == (1, "")
    assert (
        "line 3 has more learners than seats; say whose seat ends: wcsync parked end 7 --line 3"
        in vague.stderr
    )
    stranger = wcsync(spine, "parked", "end", "7", "--learner", "nobody@example.test")
    assert stranger.exit_code == 1
    assert "ends a seat of that learner" in stranger.stderr
    result = wcsync(spine, "parked", "end", "7", "--learner", BEA.email)
    assert result.exit_code == 0, result.output
    work(spine)
    assert inside(spine) == {(ANA.email, "42")}


# -- hold, release ---------------------------------------------------------------------------------------------------


def test_an_order_is_held_and_released(spine: Spine) -> None:
    spine.record(replace(sold(quantity="1"), number="2026-0007"))
    held = wcsync(spine, "hold", "2026-0007", "--reason", "chargeback under way")
    assert held.exit_code == 0, held.output
    assert "Order 2026-0007 (id 7) is held: nobody is enrolled or withdrawn by it" in held.stdout
    assert "To end that: wcsync release 2026-0007 --config" in held.stdout
    again = wcsync(spine, "hold", "2026-0007")
    assert (again.exit_code, "is held already, since " in again.stdout) == (0, True)
    work(spine)
    assert inside(spine) == set()
    released = wcsync(spine, "release", "id:7")
    assert released.exit_code == 0
    assert "Order 2026-0007 (id 7) is released: what it sold counts again" in released.stdout
    work(spine)
    assert inside(spine) == {(ANA.email, "42")}
    assert wcsync(spine, "release", "7").exit_code == 1


def test_a_held_order_is_on_the_list_until_it_is_released(spine: Spine) -> None:
    spine.record(sold(quantity="2"))
    wcsync(spine, "hold", "7")
    assert kinds(spine) == ["held"]
    assert "wcsync release 7 --config" in wcsync(spine, "parked", "list").stdout
    assert wcsync(spine, "release", "7").exit_code == 0
    assert kinds(spine) == ["open_seats"]


def test_a_held_order_that_was_taken_back_asks_nothing(spine: Spine) -> None:
    spine.record(sold(quantity="1"))
    wcsync(spine, "hold", "7")
    spine.tick(60)
    spine.record(sold(quantity="1", status="refunded", modified_at=spine.clock()))
    assert kinds(spine) == []
    wcsync(spine, "release", "7")
    assert "ended (order refunded); nobody was enrolled\n" in wcsync(spine, "show", "7").stdout


def test_an_order_that_is_not_known_yet_is_held_by_its_id(spine: Spine) -> None:
    result = wcsync(spine, "hold", "7")
    assert result.exit_code == 0
    assert "7 is taken for its id, not for its number" in result.stdout
    spine.record(sold(quantity="1"))
    work(spine)
    assert (inside(spine), kinds(spine)) == (set(), ["held"])
    assert wcsync(spine, "release", "7").exit_code == 0
    assert wcsync(spine, "hold", "A-17").exit_code == 1


# -- relink ----------------------------------------------------------------------------------------------------------


def test_a_relink_says_what_moved_and_what_comes_next(spine: Spine) -> None:
    spine.record(sold(quantity="1"))
    work(spine)
    result = wcsync(spine, "relink", ANA.email, BEA.email)
    assert result.exit_code == 0, result.output
    assert "1 seat moved, of Order 7" in result.stdout
    work(spine)
    assert inside(spine) == {(BEA.email, "42")}
    again = wcsync(spine, "relink", ANA.email, BEA.email)
    assert (again.exit_code, "stands for NEW already" in again.stdout) == (0, True)


@pytest.mark.parametrize(
    ("old", "new", "code", "sentence"),
    [
        (ANA.email, "nowhere", 2, "no usable e-mail address"),
        (ANA.email, "ANA@Example.test", 2, "the same address"),
        (ANA.email, "x@rival.example", 1, "never in the config"),
        ("nobody@example.test", BEA.email, 1, "knows nobody by the address OLD"),
        (ANA.email, "eve@example.test", 1, "NEW is a learner already, by Order 8; the two would become one"),
    ],
    ids=["unusable", "other case", "never", "unknown", "somebody else"],
)
def test_a_relink_that_makes_no_sense_is_refused(
    spine: Spine, old: str, new: str, code: int, sentence: str
) -> None:
    spine.record(sold(quantity="1"), make_order(8, email="eve@example.test"))
    result = wcsync(spine, "relink", old, new)
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    assert sentence in result.stderr
    assert spine.rows("SELECT * FROM aliases") == []


def test_two_learners_become_one_by_force(spine: Spine) -> None:
    spine.record(sold(quantity="1"), make_order(8, email="eve@example.test"))
    result = wcsync(spine, "relink", ANA.email, "eve@example.test", "--force")
    assert result.exit_code == 0, result.output
    work(spine)
    assert inside(spine) == {("eve@example.test", "42")}


def test_addresses_are_read_where_a_dash_stands_for_them(spine: Spine) -> None:
    """Everybody on a machine can list the words of its processes."""
    spine.record(sold(quantity="1"))
    work(spine)
    moved = wcsync(spine, "relink", "-", "-", stdin=f"{ANA.email}\n{BEA.email}\n".encode())
    assert "1 seat moved, of Order 7" in moved.stdout, moved.output
    work(spine)
    assert inside(spine) == {(BEA.email, "42")}
    assert "The person is erased" in wcsync(spine, "forget", "-", stdin=f"{BEA.email}\n".encode()).stdout


@pytest.mark.parametrize("words", [("forget", "-"), ("relink", "-", BEA.email)], ids=["forget", "relink"])
def test_where_no_address_comes_in_nothing_is_done(spine: Spine, words: tuple[str, ...]) -> None:
    result = wcsync(spine, *words, stdin=b"")
    assert (result.exit_code, "nothing was done: no line came in" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "stdin"),
    [
        pytest.param(("forget", "-"), f"{ANA.email}\n{BEA.email}\n", id="a list to forget"),
        pytest.param(("relink", ANA.email, "-"), "eve@example.test\neve@example.org\n", id="two for NEW"),
        pytest.param(("relink", "-", "-"), f"{ANA.email}\neve@example.test\nbea@b.test\n", id="a third"),
        pytest.param(("forget", "-"), ANA.email + " " * 5000 + "x", id="no end"),
    ],
)
def test_more_than_was_asked_for_is_refused_and_nothing_is_done(
    spine: Spine, words: tuple[str, ...], stdin: str
) -> None:
    """Whoever pipes a list in would believe that all of it was done."""
    spine.record(sold(quantity="1"))
    work(spine)
    result = wcsync(spine, *words, stdin=stdin.encode())
    assert result.exit_code == 2, result.output
    assert "nothing was done: more came in than" in result.stderr
    assert "call it once for each" in result.stderr
    work(spine)
    assert inside(spine) == {(ANA.email, "42")}
    key = spine.ledger.identify(ANA.email)
    assert spine.ledger.read_learners([key])[key].email == ANA.email


def test_empty_lines_around_an_address_are_nobody(spine: Spine) -> None:
    spine.record(sold(quantity="1"))
    assert "is erased" in wcsync(spine, "forget", "-", stdin=f"\n {ANA.email} \r\n\n".encode()).stdout


@pytest.mark.parametrize("words", [("forget", "-"), ("relink", "-", BEA.email)], ids=["forget", "relink"])
def test_a_line_that_is_no_text_is_nobodys_address(spine: Spine, words: tuple[str, ...]) -> None:
    result = wcsync(spine, *words, stdin=b"jos\xe9@example.test\n")
    assert (result.exit_code, "is no text in UTF-8" in result.stderr) == (2, True), result.output


def test_bytes_that_a_plain_locale_lets_through_are_no_text_either(
    spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wcsync.cli.asking._typed_or_piped", lambda _asked: ["jos\udce9@example.test"])
    result = wcsync(spine, "forget", "-")
    assert (result.exit_code, "is no text in UTF-8" in result.stderr) == (2, True), result.output


# -- forget ----------------------------------------------------------------------------------------------------------


def test_forgetting_names_what_stays_and_what_is_left_to_do(spine: Spine) -> None:
    spine.record(sold(quantity="1"))
    work(spine)
    spine.record(make_order(8, lines=(make_line(1, sku="PY-102"),)))
    result = wcsync(spine, "forget", ANA.email.upper())
    assert result.exit_code == 0, result.output
    for part in (
        "The person is erased from the ledger: Order 7, Order 8.",
        "Still has access to: campus course 42, campus course 43.",
        "Something was still to be done in: campus course 43.",
        "Account in campus: 100. It was not touched",
    ):
        assert part in result.stdout
    assert ANA.email not in result.output
    again = wcsync(spine, "forget", ANA.email)
    assert (
        again.exit_code,
        "Nothing was left of the person in the ledger: Order 7, Order 8." in again.stdout,
    ) == (0, True)


def test_nobody_is_forgotten_who_is_not_known(spine: Spine) -> None:
    result = wcsync(spine, "forget", "nobody@example.test")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "knows nobody by that address" in result.stderr


def test_a_file_that_cannot_be_wiped_now_is_told(spine: Spine, monkeypatch: pytest.MonkeyPatch) -> None:
    spine.record(sold(quantity="1"))
    monkeypatch.setattr("wcsync.ledger.connection._PRAGMAS", ("PRAGMA busy_timeout = 50",))
    with closing(connect(spine.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM orders").fetchall()
        result = wcsync(spine, "forget", ANA.email)
    assert result.exit_code == 75
    assert "Repeat it: wcsync forget EMAIL --config" in result.stderr


# -- withdrawals -----------------------------------------------------------------------------------------------------


def test_withdrawals_are_listed_and_allowed(spine: Spine) -> None:
    assert wcsync(spine, "withdrawals").stdout == "no withdrawal waits\n"
    spine.record(sold(quantity="1"))
    work(spine)
    refund_all(spine)
    shown = wcsync(spine, "withdrawals").stdout
    assert "1 learner is to be withdrawn" in shown
    assert "Order 7: the order was taken back" in shown
    assert "STOPPED" not in shown
    document = json.loads(wcsync(spine, "withdrawals", "--json").stdout)
    (row,) = document["withdrawals"]
    assert document["stopped"] is None
    assert (row["lms"], row["course_id"], row["allowed"], row["orders"][0]["order_id"]) == (
        "campus",
        "42",
        0,
        7,
    )
    allowed = wcsync(spine, "withdrawals", "allow")
    assert (allowed.exit_code, "1 withdrawal allowed" in allowed.stdout) == (0, True)
    assert wcsync(spine, "withdrawals", "allow", "--order", "7").exit_code == 1
    assert wcsync(spine, "withdrawals", "allow", "--order", "99").exit_code == 1
    wcsync(spine, "hold", "99")  # known by its hold, never read
    unread = wcsync(spine, "withdrawals", "allow", "--order", "99")
    assert (unread.exit_code, "no withdrawal of Order 99 waits for a word" in unread.stderr) == (1, True)


def test_a_mass_of_withdrawals_is_told_to_be_stopped_with_both_ways_out(spine: Spine) -> None:
    orders = [make_order(n, email=f"u{n}@example.test") for n in range(1, 11)]
    spine.record(*orders)
    work(spine)
    spine.tick(60)
    spine.record(*(replace(order, status="refunded", modified_at=spine.clock()) for order in orders))
    shown = wcsync(spine, "withdrawals").stdout
    assert "10 learners are to be withdrawn" in shown
    assert "STOPPED: 10 wait, of 10 who were in" in shown
    assert "wcsync withdrawals allow --config" in shown
    assert json.loads(wcsync(spine, "withdrawals", "--json").stdout)["stopped"]["waiting"] == 10
    assert "10 withdrawals allowed" in wcsync(spine, "withdrawals", "allow").stdout
    assert "STOPPED" not in wcsync(spine, "withdrawals").stdout


def test_an_old_address_that_cannot_be_withdrawn_is_listed_with_its_order(spine: Spine) -> None:
    spine.record(sold(quantity="1"))
    work(spine)
    wcsync(spine, "relink", ANA.email, BEA.email)
    spine.lms.before_write = lambda what: refuse(what) if what == "withdraw" else None
    work(spine)
    assert "Order 7: wcsync dead revive --order 7" in wcsync(spine, "dead", "list").stdout
    spine.lms.before_write = lambda _what: None
    assert wcsync(spine, "dead", "revive", "--order", "7").exit_code == 0
    work(spine)
    assert inside(spine) == {(BEA.email, "42")}
