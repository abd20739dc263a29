"""A config is read whole, or refused with every mistake, its line and its remedy."""

import re
import ssl
import tomllib
import traceback
from datetime import UTC, datetime, time
from pathlib import Path

import pytest
import trustme
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from wcsync.config import (
    Config,
    CourseSyncSettings,
    LedgerSettings,
    Loaded,
    OrdersSettings,
    find_config,
    load_config,
)
from wcsync.config.loading import SECTIONS
from wcsync.config.sections import MailSettings, WebSettings
from wcsync.credentials import Secret, Sources
from wcsync.errors import ConfigError, Problem
from wcsync.ledger.base import Limits
from wcsync.lms.base import Budget, LmsSettings
from wcsync.lms.moodle import Moodle, MoodleSettings
from wcsync.lms.registry import KINDS, Kind
from wcsync.mappers.courses.fields import Field as CourseField
from wcsync.mappers.courses.fields import Ownership
from wcsync.mappers.courses.rules import Rules
from wcsync.sale import Aftermath, Withdrawal
from wcsync.store.meta_keys import KNOWN_PLUGINS, MetaKeys

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"

STORE = """\
[store]
url = "https://shop.example"
consumer_key = { env = "KEY" }
consumer_secret = { env = "SECRET" }
"""
CAMPUS = """\
[[lms]]
name = "campus"
kind = "moodle"
url = "https://campus.example"
token = { env = "TOKEN" }
"""
MAIL = """\
[alerts.mail]
host = "smtp.example"
sender = "wcsync@shop.example"
to = ["ops@shop.example"]
"""
ENV = {
    "KEY": "ck_Xyzzy",
    "SECRET": "cs_Plugh",
    "TOKEN": "tk_Plover",
    "HOOK": "https://hooks.example/T0/s3cret",
    "HOOK_KEY": "whsec_ab c",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def load(path: Path, text: str | bytes, mode: int = 0o600) -> Loaded:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return load_config(path, ENV)


def refuse(path: Path, text: str | bytes) -> list[Problem]:
    """The problems, with the path cut down to the file's name."""
    with pytest.raises(ConfigError) as caught:
        load(path, text)
    return [
        Problem(
            where=problem.where.replace(str(path), path.name), message=problem.message, remedy=problem.remedy
        )
        for problem in caught.value.problems
    ]


def refuse_one(path: Path, text: str | bytes) -> Problem:
    [problem] = refuse(path, text)
    return problem


def test_the_shortest_config_has_a_default_for_all_the_rest(path: Path) -> None:
    config = load(path, STORE + CAMPUS).config
    assert config.orders.paid_statuses == ("completed",)
    assert config.orders.start_at is None
    assert config.mapping.path == path.parent / "mapping.toml"
    assert config.ledger.path == Path("/var/lib/wcsync/ledger.db")


@pytest.mark.parametrize(
    ("folder", "ledger"),
    [
        ("/etc/wcsync", "/var/lib/wcsync/ledger.db"),
        ("/etc/wcsync/north", "/var/lib/wcsync-north/ledger.db"),
        ("/srv/wcsync", "/var/lib/wcsync/ledger.db"),
    ],
)
def test_a_shop_of_several_has_its_ledger_where_its_unit_keeps_it(folder: str, ledger: str) -> None:
    """The same for the service and for a command run by hand."""
    sources = Sources(base_dir=Path(folder), env={})
    assert LedgerSettings.model_validate({}, context=sources).path == Path(ledger)
    named = LedgerSettings.model_validate({"path": "/var/lib/wcsync/ledger.db"}, context=sources)
    assert named.path == Path("/var/lib/wcsync/ledger.db")


def test_each_lms_has_the_model_of_its_kind(path: Path) -> None:
    [lms] = load(path, STORE + CAMPUS).config.lms
    assert isinstance(lms, MoodleSettings)
    assert lms.token.reveal() == "tk_Plover"


def test_paths_begin_at_the_folder_of_the_config(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(path, STORE + CAMPUS + '[ledger]\npath = "state/ledger.db"\n')
    monkeypatch.chdir(path.parent)
    config = load_config(Path("config.toml"), ENV).config
    assert config.ledger.path == path.parent / "state" / "ledger.db"


def test_a_secret_file_is_looked_up_beside_the_config(path: Path) -> None:
    key = path.parent / "key"
    key.write_text("from a file\n")
    key.chmod(0o600)
    config = load(path, STORE.replace('env = "KEY"', 'file = "key"') + CAMPUS).config
    assert config.store.consumer_key.reveal() == "from a file"


def test_all_secrets_are_told_for_the_log_to_take_out(path: Path) -> None:
    assert sorted(load(path, STORE + CAMPUS).config.secrets()) == sorted(
        [ENV["KEY"], ENV["SECRET"], ENV["TOKEN"]]
    )


def test_a_config_shows_no_secret(path: Path) -> None:
    loaded = load(path, STORE + CAMPUS)
    shown = (
        repr(loaded) + str(loaded.config) + repr(loaded.config.model_dump()) + loaded.config.model_dump_json()
    )
    assert not [secret for secret in ENV.values() if secret in shown]


def test_secrets_are_found_however_deep_a_model_keeps_them(path: Path) -> None:
    class Nested(LmsSettings):
        keys: dict[str, list[Secret]]

    path.write_text(
        STORE + CAMPUS.replace("token", "keys").replace("{ env", "{ a = [{ env").replace(" }", " }] }")
    )
    kinds = {"moodle": Kind(settings=Nested, target_keys=(), guide="", build=Moodle)}
    config = load_config(path, ENV, kinds).config
    assert dict(config.secret_keys())["lms", 0, "keys", "a", 0].reveal() == "tk_Plover"


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        pytest.param('"now"', None, id="now"),
        pytest.param('"2026-01-01"', datetime(2026, 1, 1, tzinfo=UTC), id="date in quotes"),
        pytest.param("2026-01-01", datetime(2026, 1, 1, tzinfo=UTC), id="date"),
        pytest.param('"2026-01-01T02:00:00+02:00"', datetime(2026, 1, 1, tzinfo=UTC), id="instant in quotes"),
        pytest.param("2026-01-01T00:00:00Z", datetime(2026, 1, 1, tzinfo=UTC), id="instant"),
    ],
)
def test_the_start_is(written: str, instant: datetime | None, path: Path) -> None:
    assert load(path, f"{STORE}{CAMPUS}[orders]\nstart = {written}\n").config.orders.start_at == instant


@pytest.mark.parametrize(
    "url", ["https://shop.example/", "https://shop.example//", " https://shop.example "], ids=repr
)
def test_outer_slashes_and_blanks_of_an_address_do_not_count(url: str, path: Path) -> None:
    config = load(path, STORE.replace("https://shop.example", url) + CAMPUS).config
    assert config.store.url == "https://shop.example"


def test_the_address_of_an_lms_loses_its_last_slash_too(path: Path) -> None:
    [lms] = load(path, STORE + CAMPUS.replace(".example", ".example/moodle/")).config.lms
    assert lms.url == "https://campus.example/moodle"


# Each of these has one mistake: the place, what it says, what to do.
MISTAKES = [
    pytest.param(
        STORE + CAMPUS + "[orders]\npoll_evry_s = 60\n",
        ("config.toml:11: orders.poll_evry_s", "unknown key", 'Did you mean "poll_every_s"?'),
        id="mistyped key",
    ),
    pytest.param(
        STORE + "workers = 2\n" + CAMPUS,
        ("config.toml:5: store.workers", "unknown key", "It belongs below [orders]."),
        id="key in the wrong section",
    ),
    pytest.param(
        "workers = 2\n" + STORE + CAMPUS,
        ("config.toml:1: workers", "no section", "It belongs below [orders]."),
        id="key above all sections",
    ),
    pytest.param(
        STORE + CAMPUS + "[ledgr]\n",
        ("config.toml:10: ledgr", "no section", 'Did you mean "ledger"?'),
        id="mistyped section",
    ),
    pytest.param(
        "store = 3\n" + CAMPUS,
        ("config.toml:1: store", "is no section", "Write [store]"),
        id="section written as key",
    ),
    pytest.param(
        STORE.replace('url = "https://shop.example"\n', "") + CAMPUS,
        ("config.toml:1: store.url", "is required", "Add it: the shop's address"),
        id="missing key",
    ),
    pytest.param(
        STORE + CAMPUS + '[orders]\nworkers = "4"\n',
        ("config.toml:11: orders.workers", "whole number, without quotes", "how many enrolments"),
        id="number in quotes",
    ),
    pytest.param(
        STORE + CAMPUS + "[orders]\nworkers = true\n",
        ("config.toml:11: orders.workers", "whole number", ""),
        id="true is no number",
    ),
    pytest.param(
        STORE + CAMPUS + "[orders]\nworkers = 17\n",
        ("config.toml:11: orders.workers", "at most 16", ""),
        id="too many",
    ),
    pytest.param(
        STORE + CAMPUS + "[orders]\npoll_every_s = nan\n",
        ("config.toml:11: orders.poll_every_s", "usual number", ""),
        id="not a number",
    ),
    pytest.param(
        STORE + CAMPUS + "[orders]\npaid_statuses = [\n'completed',\n'wc-processing',\n]\n",
        ("config.toml:13: orders.paid_statuses.1", "prefix wc-", 'Write "processing".'),
        id="status with prefix, on its own line",
    ),
    pytest.param(
        STORE + CAMPUS + "[orders]\npaid_statuses = ['Completed']\n",
        ("config.toml:11: orders.paid_statuses.0", "no order status", "lower case"),
        id="status in capitals",
    ),
    pytest.param(
        STORE + CAMPUS + "[orders]\npaid_statuses = ['refunded']\n",
        ("config.toml:11: orders.paid_statuses.0", "not paid", "Remove it"),
        id="status that is never paid",
    ),
    pytest.param(
        STORE + CAMPUS + "[orders]\npaid_statuses = []\n",
        ("config.toml:11: orders.paid_statuses", "is empty", "completed"),
        id="no status",
    ),
    pytest.param(
        STORE + CAMPUS + '[orders]\npaid_statuses = "completed"\n',
        ("config.toml:11: orders.paid_statuses", "must be a list", ""),
        id="status without list",
    ),
    pytest.param(
        STORE + CAMPUS + '[orders]\nstart = "2026-01-01T00:00:00"\n',
        ("config.toml:11: orders.start", "time zone", "Z"),
        id="instant without zone",
    ),
    pytest.param(
        STORE + CAMPUS + "[orders]\nstart = 2026-01-01T00:00:00\n",
        ("config.toml:11: orders.start", "time zone", "Z"),
        id="instant without zone or quotes",
    ),
    pytest.param(
        STORE + CAMPUS + "[orders]\nstart = 0001-01-01T00:00:00+10:00\n",
        ("config.toml:11: orders.start", "is no instant", ""),
        id="instant before all time",
    ),
    pytest.param(
        STORE + CAMPUS + "[retry]\nfirst_delay_s = 100\nmax_delay_s = 99\n",
        ("config.toml:12: retry.max_delay_s", "less than first_delay_s (100)", "at least as long"),
        id="longest wait shorter than the first",
    ),
    pytest.param(
        STORE + CAMPUS + '[log]\nformat = "xml"\n',
        ("config.toml:11: log.format", "must be 'auto', 'json' or 'text'", ""),
        id="unknown word",
    ),
    pytest.param(
        STORE + CAMPUS + "[mapping]\npath = 3\n",
        ("config.toml:11: mapping.path", "is no path", "in quotes"),
        id="path is a number",
    ),
    pytest.param(
        STORE,
        ("config.toml: lms", "no [[lms]] section", "Known kinds: moodle"),
        id="no LMS",
    ),
    pytest.param(
        STORE + CAMPUS.replace("[[lms]]", "[lms]"),
        ("config.toml:5: lms", "not a list", "[[lms]], in two brackets"),
        id="LMS in single brackets",
    ),
    pytest.param(
        "lms = [3]\n" + STORE,
        ("config.toml:1: lms.0", "no section", "[[lms]]"),
        id="LMS is a number",
    ),
    pytest.param(
        STORE + CAMPUS.replace("moodle", "moodel"),
        ("config.toml:7: lms.0.kind", 'unknown kind "moodel"', 'Did you mean "moodle"?'),
        id="mistyped kind",
    ),
    pytest.param(
        STORE + CAMPUS.replace('kind = "moodle"\n', ""),
        ("config.toml:5: lms.0.kind", "kind is required", "Known: moodle"),
        id="no kind",
    ),
    pytest.param(
        STORE + CAMPUS + CAMPUS.replace("campus", "Campus"),
        ("config.toml:11: lms.1.name", '"Campus" is taken: see config.toml:6: lms.0.name', "another name"),
        id="two LMSs of one name",
    ),
    pytest.param(
        STORE + CAMPUS.replace('"campus"', '"Shop"'),
        ("config.toml:6: lms.0.name", '"Shop" is taken', "another name"),
        id="LMS called shop",
    ),
    pytest.param(
        STORE + CAMPUS + "timeout_s = 90\n",
        ("config.toml:5: lms.0.quarantine_s", "more than twice timeout_s (90)", "three times"),
        id="quarantine not longer than the time-out",
    ),
    pytest.param(
        STORE + CAMPUS + "tokn = 1\n",
        ("config.toml:10: lms.0.tokn", "unknown key", 'Did you mean "token"?'),
        id="mistyped key of an LMS",
    ),
    pytest.param(
        STORE + CAMPUS.replace("https://campus.example", "campus.example"),
        ("config.toml:8: lms.0.url", "no address", "https://"),
        id="LMS address without scheme",
    ),
    pytest.param(
        STORE + CAMPUS.replace('{ env = "TOKEN" }', '{ env = "NOT_SET" }'),
        ("config.toml:9: lms.0.token", '"NOT_SET" is not set', "Set it"),
        id="secret that is not there",
    ),
    pytest.param(
        STORE + CAMPUS + MAIL + "prot = 25\n",
        ("config.toml:14: alerts.mail.prot", "unknown key", 'Did you mean "port"?'),
        id="mistyped key of a section below a section",
    ),
    pytest.param(
        STORE + CAMPUS + MAIL.replace('host = "smtp.example"\n', ""),
        ("config.toml:10: alerts.mail.host", "is required", "Add it: the SMTP server"),
        id="mail without host",
    ),
    pytest.param(
        STORE + CAMPUS + "[course_sync]\nevery_s = 59\n",
        ("config.toml:11: course_sync.every_s", "at least 60", "seconds between"),
        id="courses looked at too often",
    ),
    pytest.param(
        STORE + CAMPUS + '[course_sync]\nlanguage = "de"\n',
        ("config.toml:11: course_sync.language", "must be 'en', 'es' or 'fr'", "the shop's language"),
        id="language without words",
    ),
    pytest.param(
        STORE + CAMPUS + "[course_sync.descripton]\n",
        ("config.toml:10: course_sync.descripton", "unknown key", 'Did you mean "description"?'),
        id="mistyped field of a product",
    ),
    pytest.param(
        STORE + CAMPUS + "[course_sync.price]\n",
        ("config.toml:10: course_sync.price", "unknown key", "Known: enabled"),
        id="field that is never written",
    ),
    pytest.param(
        STORE + CAMPUS + '[course_sync.name]\nownership = "mine"\n',
        ("config.toml:11: course_sync.name.ownership", "must be 'off', 'fill'", "who has the last word"),
        id="unknown ownership",
    ),
    pytest.param(
        STORE + CAMPUS + '[course_sync.images]\ntemplate = "x"\n',
        ("config.toml:11: course_sync.images.template", "unknown key", "Known: ownership"),
        id="template for images",
    ),
    pytest.param(
        STORE + CAMPUS + "[course_sync.description]\ntemplate = '<b>{{ course.nmae }}</b>'\n",
        (
            "config.toml:11: course_sync.description.template",
            'line 1 of the template: course has no "nmae". Did you mean "name"?',
            "Correct it: https://jinja",
        ),
        id="mistyped variable in a template",
    ),
    pytest.param(
        STORE + CAMPUS + "[course_sync.attributes.templates]\nHours = '{{ duration'\n",
        ("config.toml:11: course_sync.attributes.templates.Hours", "cannot be rendered", "Correct it"),
        id="template that is not closed",
    ),
    pytest.param(
        STORE + CAMPUS + "[course_sync.attributes.templates]\n'a|b' = 'x'\n",
        ("config.toml:10: course_sync.attributes.templates", '"a|b" cannot be called so', "without <"),
        id="attribute with a bar",
    ),
    pytest.param(
        STORE + CAMPUS + "[course_sync.attributes.templates]\nA = 'x'\na = 'x'\n",
        ("config.toml:10: course_sync.attributes.templates", "have the same name", "keep one"),
        id="attribute twice",
    ),
    pytest.param(
        STORE + CAMPUS + "[course_sync.meta.templates]\n_Price = '0'\n",
        ("config.toml:10: course_sync.meta.templates", '"_Price" is the shop\'s own', "course_hours"),
        id="meta key that is a price",
    ),
    pytest.param(
        STORE + CAMPUS + "[course_sync.meta.templates]\n_wcsync_x = '0'\n",
        ("config.toml:10: course_sync.meta.templates", '"_wcsync_x" is taken', "another key"),
        id="meta key of ours",
    ),
    pytest.param(
        STORE + CAMPUS + "[course_sync.meta.templates]\n'a b' = '0'\n",
        ("config.toml:10: course_sync.meta.templates", "form that is not allowed", "ASCII"),
        id="meta key with a blank",
    ),
    pytest.param(
        STORE
        + CAMPUS
        + "[course_sync.meta.templates]\n"
        + "".join(f"k{number} = 'x'\n" for number in range(51)),
        ("config.toml:10: course_sync.meta.templates", "more than 50 templates", "Keep"),
        id="far too many meta keys",
    ),
    pytest.param(
        STORE + CAMPUS + MAIL.replace("ops@shop.example", "Ops <ops@shop.example>"),
        ("config.toml:13: alerts.mail.to.0", "no e-mail address", "Write it bare"),
        id="recipient with a name",
    ),
    pytest.param(
        STORE
        + CAMPUS
        + MAIL.replace("wcsync@shop.example", "wcsync@shop.example\\r\\nBcc: eve@evil.example"),
        ("config.toml:12: alerts.mail.sender", "no e-mail address", "Write it bare"),
        id="sender that would add a header",
    ),
    pytest.param(
        STORE + CAMPUS + MAIL.replace('["ops@shop.example"]', "[]"),
        ("config.toml:13: alerts.mail.to", "must not be empty", ""),
        id="nobody to mail to",
    ),
    pytest.param(
        STORE + CAMPUS + MAIL + 'user = "ana"\n',
        ("config.toml:10: alerts.mail", "only one of user and password", "Give both"),
        id="user without password",
    ),
    pytest.param(
        STORE + CAMPUS + MAIL + "port = 465\n",
        ("config.toml:10: alerts.mail", "speaks TLS from the start", 'security = "tls"'),
        id="port of another security",
    ),
    pytest.param(
        STORE + CAMPUS + '[alerts]\nkinds = ["service", "deaad"]\n',
        ("config.toml:11: alerts.kinds.1", "'dead', 'parked' or 'message'", "Correct it"),
        id="unknown kind of trouble",
    ),
    pytest.param(
        STORE + CAMPUS + '[[alerts.web]]\nurl = { env = "KEY" }\n',
        ("config.toml:11: alerts.web.0.url", "holds no web address", "https://"),
        id="hook that is no address",
    ),
    pytest.param(
        STORE + CAMPUS + 2 * '[[alerts.web]]\nurl = { env = "HOOK" }\n',
        ("config.toml:10: alerts", "of the same name", "its own name"),
        id="two hooks of one name",
    ),
    pytest.param(
        STORE + CAMPUS + '[[alerts.web]]\nurl = { env = "HOOK" }\nsigning_secret = { env = "HOOK_KEY" }\n',
        ("config.toml:12: alerts.web.0.signing_secret", "no base64", "whole"),
        id="signing secret that was cut",
    ),
    pytest.param(
        STORE + CAMPUS + '[heartbeat]\nurl = { env = "KEY" }\n',
        ("config.toml:11: heartbeat.url", "holds no web address", "https://"),
        id="heartbeat that is no address",
    ),
    pytest.param(
        STORE.replace('{ env = "KEY" }', '{ env = "KEY", file = "key" }') + CAMPUS,
        ("config.toml:3: store.consumer_key", "exactly one way", "{ file ="),
        id="secret given in two ways",
    ),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES)
def test_a_mistake_is_told_with_line_and_remedy(
    text: str, expected: tuple[str, str, str], path: Path
) -> None:
    where, message, remedy = expected
    problem = refuse_one(path, text)
    assert problem.where == where
    assert message in problem.message.replace(f"{path.parent}/", "")
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("https://shop.example/wp-json", "holds /wp-json"),
        ("https://shop.example/wp-json/wc/v3/", "holds /wp-json"),
        ("https://shop.example/wp-admin", "holds /wp-admin"),
        ("https://shop.example/?p=1", "holds a query"),
        ("https://shop.example/#top", "or a fragment"),
        ("https://joe:password@shop.example", "user or password"),
        ("ftp://shop.example", "no address"),
        ("https://", "no address"),
        ("https://shop.example:99999", "no address"),
        ("https://shop.example:port", "no address"),
        ("https://[::1", "no address"),
        ("https://shop .example", "no address"),
        ("https://shop.example\\u0000", "no address"),
    ],
)
def test_what_is_no_shop_address_is_refused(url: str, complaint: str, path: Path) -> None:
    problem = refuse_one(path, STORE.replace("https://shop.example", url) + CAMPUS)
    assert problem.where == "config.toml:2: store.url"
    assert complaint in problem.message


def test_a_shop_may_live_below_its_host(path: Path) -> None:
    config = load(path, STORE.replace(".example", ".example/es/wp-jsonish") + CAMPUS).config
    assert config.store.url == "https://shop.example/es/wp-jsonish"


def test_every_mistake_is_told_at_once_by_line(path: Path) -> None:
    text = 'poll_every_s = 1\n[store]\nauth = "x"\n[orders]\nworkers = 0\n[[lms]]\nkind = "y"\n[log]\nlevel = 3\n'
    assert [problem.where for problem in refuse(path, text)] == [
        "config.toml:1: poll_every_s",
        "config.toml:2: store.url",
        "config.toml:2: store.consumer_key",
        "config.toml:2: store.consumer_secret",
        "config.toml:3: store.auth",
        "config.toml:5: orders.workers",
        "config.toml:7: lms.0.kind",
        "config.toml:9: log.level",
    ]


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        pytest.param("a = 'x\n", "config.toml:1", "is not closed", id="open quote"),
        pytest.param("[a]\nb = \n", "config.toml:2", "cannot be read", id="no value"),
        pytest.param("[a]\n[a]\n", "config.toml:2", "given twice", id="section twice"),
        pytest.param("[a]\nb = 1\nb = 2\nc = 3\n", "config.toml:3", "given twice", id="key twice"),
        pytest.param("a = https://x\n", "config.toml:1", "cannot be read", id="text without quotes"),
        pytest.param("a = “x”\n", "config.toml:1", "curved quotes", id="a word processor's quotes"),
        pytest.param("a = ‘x’\n", "config.toml:1", "curved quotes", id="a word processor's single quotes"),
        pytest.param("a = «x»\n", "config.toml:1", "curved quotes", id="French quotes"),
        pytest.param("a = " + "[" * 5000, "config.toml", "nested too deeply", id="too deep"),
        pytest.param("a = " + "1" * 5000, "config.toml", "far too long", id="endless number"),
        pytest.param("a = 1\n\n\nb\n", "config.toml:4", "has no value", id="key alone"),
        pytest.param(b"a = 1\n\xf1 = 2\n", "config.toml:2", "not UTF-8", id="Latin-1"),
        pytest.param("a = 1".encode("utf-16"), "config.toml", "UTF-16", id="UTF-16"),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(
    text: str | bytes, where: str, message: str, path: Path
) -> None:
    problem = refuse_one(path, text)
    assert problem.where == where
    assert message in problem.message


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(path: Path) -> None:
    loaded = load(path, b"\xef\xbb\xbf" + (STORE + CAMPUS).replace("\n", "\r\n").encode())
    assert loaded.config.store.url == "https://shop.example"


def test_lines_count_the_same_with_windows_line_ends(path: Path) -> None:
    problem = refuse_one(path, (STORE + CAMPUS + "x = 1\n").replace("\n", "\r\n"))
    assert problem.where == "config.toml:10: lms.0.x"


def test_a_missing_config_says_how_to_get_one(path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"cannot be read \(No such file or directory\).*config\.example\.toml"
    ):
        load_config(path, {})


def test_a_folder_is_no_config(path: Path) -> None:
    with pytest.raises(ConfigError, match="It is a folder"):
        load_config(path.parent, {})


def test_no_mistake_shows_a_secret(path: Path) -> None:
    secrets = ("ck_Xyzzy", "cs_Plugh", "tk_Plover")
    text = f"""
[store]
url = "https://x:{secrets[0]}@shop.example"
consumer_key = {{ key = "{secrets[0]}" }}
consumer_secret = "{secrets[1]} "
poll = "{secrets[1]}"
auth = "{secrets[0]}"
ca_file = ["{secrets[0]}"]
[orders]
workers = "{secrets[2]}"
start = "{secrets[2]}"
[[lms]]
kind = "moodle"
url = "https://campus.example?token={secrets[2]}"
token = ["{secrets[2]}"]
student_role_id = "{secrets[2]}"
lang = "{secrets[2]}"
"""
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, ENV)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert not [secret for secret in secrets if secret in shown]
    assert len(caught.value.problems) == 13


@pytest.mark.parametrize(
    "text", ["a = 'x", b"\xff", "[orders]\nworkers = 'x'\n"], ids=["syntax", "bytes", "value"]
)
def test_a_refusal_has_no_cause_that_could_quote_the_file(text: str | bytes, path: Path) -> None:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load_config(path, ENV)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_a_clean_config_warns_of_nothing(path: Path) -> None:
    assert load(path, STORE + CAMPUS).warnings == ()


def test_a_secret_in_the_config_itself_is_warned_about(path: Path) -> None:
    [warning] = load(path, STORE.replace('{ env = "KEY" }', '"ck_literal"') + CAMPUS).warnings
    assert warning.where == f"{path}:3: store.consumer_key"
    assert "ck_literal" not in str(warning)


def test_the_warning_says_if_others_can_read_the_secret(path: Path) -> None:
    text = STORE + CAMPUS.replace('{ env = "TOKEN" }', '"literal"')
    messages = [load(path, text, mode).warnings[0].message for mode in (0o600, 0o644)]
    assert ["others can read" in message for message in messages] == [False, True]


def test_plain_http_to_the_shop_is_warned_about(path: Path) -> None:
    [warning] = load(path, STORE.replace("https:", "http:") + CAMPUS).warnings
    assert warning.where == f"{path}:2: store.url"
    assert "signed" in warning.message


def test_plain_http_to_an_lms_is_warned_about_louder(path: Path) -> None:
    [warning] = load(path, STORE + CAMPUS.replace("https:", "http:")).warnings
    assert warning.where == f"{path}:8: lms.0.url"
    assert warning.message.startswith("DANGER")


def test_the_url_of_a_hook_is_a_secret(path: Path) -> None:
    text = STORE + CAMPUS + '[[alerts.web]]\nurl = { env = "HOOK" }\n[heartbeat]\nurl = { env = "HOOK" }\n'
    loaded = load(path, text)
    assert loaded.config.secrets().count(ENV["HOOK"]) == 2
    assert "s3cret" not in repr(loaded)
    assert loaded.warnings == ()


def test_without_its_secrets_a_config_with_hooks_can_be_read_too(path: Path) -> None:
    hook = '[[alerts.web]]\nurl = { env = "NOT_SET" }\nsigning_secret = { env = "NOT_SET" }\n'
    path.write_text(STORE + CAMPUS + hook)
    assert load_config(path, {}, sealed=True).config.alerts.wanted


def test_nobody_is_told_of_anything_unless_the_config_says_whom(path: Path) -> None:
    config = load(path, STORE + CAMPUS).config
    assert not config.alerts.wanted
    assert config.heartbeat.url is None


def test_a_password_in_clear_to_a_mail_server_elsewhere_is_warned_about(path: Path) -> None:
    login = 'security = "none"\nuser = "ana"\npassword = { env = "KEY" }\n'
    [warning] = load(path, STORE + CAMPUS + MAIL + login).warnings
    assert warning.where == f"{path}:14: alerts.mail.security"
    assert load(path, STORE + CAMPUS + MAIL.replace("smtp.example", "127.0.0.1") + login).warnings == ()


def test_plain_http_to_a_hook_elsewhere_is_warned_about(path: Path) -> None:
    text = STORE + CAMPUS + '[[alerts.web]]\nurl = { env = "HOOK" }\n'
    path.write_text(text)
    [warning] = load_config(path, ENV | {"HOOK": "http://hooks.example/s3cret"}).warnings
    assert "s3cret" not in str(warning)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "campus.localhost", "[::1]:80", "127.8.8.8"])
def test_plain_http_to_this_machine_is_no_danger(host: str, path: Path) -> None:
    assert load(path, STORE + CAMPUS.replace("https://campus.example", f"http://{host}")).warnings == ()


def test_a_private_ca_is_checked_when_the_config_is_read(path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(path.parent / "ca.pem")
    loaded = load(path, STORE + 'ca_file = "ca.pem"\n' + CAMPUS + 'ca_file = "ca.pem"\n')
    assert loaded.config.store.ca_file == loaded.config.lms[0].ca_file == path.parent / "ca.pem"


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "not PEM"])
def test_a_file_that_is_no_ca_is_refused(content: str | None, path: Path) -> None:
    if content is not None:
        (path.parent / "ca.pem").write_text(content)
    problems = refuse(path, STORE + 'ca_file = "ca.pem"\n' + CAMPUS + 'ca_file = "ca.pem"\n')
    assert [problem.where for problem in problems] == [
        "config.toml:5: store.ca_file",
        "config.toml:11: lms.0.ca_file",
    ]


def test_a_config_cannot_be_changed(path: Path) -> None:
    config = load(path, STORE + CAMPUS).config
    with pytest.raises(ValueError, match="frozen"):
        config.orders.workers = 2  # type: ignore[misc]  # the point of the test


def test_a_named_config_is_taken_whether_it_is_there_or_not(path: Path) -> None:
    assert find_config(path, [path.parent]) == path


def test_the_first_of_the_usual_places_is_taken(tmp_path: Path) -> None:
    there = tmp_path / "second.toml"
    there.touch()
    assert find_config(None, [tmp_path / "first.toml", there, tmp_path / "third.toml"]) == there


def test_no_config_anywhere_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"first\.toml.*--config PATH"):
        find_config(None, [tmp_path / "first.toml"])


def test_without_a_word_about_courses_nothing_is_mirrored_and_the_shipped_rules_count(path: Path) -> None:
    settings = load(path, STORE + CAMPUS).config.course_sync
    assert not settings.enabled
    assert settings.rules() == Rules()


def test_what_is_said_of_fields_becomes_the_rules(path: Path) -> None:
    said = """
[course_sync]
enabled = true
language = "es"
mark_gone = true
[course_sync.tags]
ownership = "own"
[course_sync.name]
template = "{{ course.name }}!"
[course_sync.attributes]
templates = { Horas = "{{ duration }}" }
[course_sync.meta.templates]
course_hours = "{{ duration }}"
"""
    rules = load(path, STORE + CAMPUS + said).config.course_sync.rules()
    assert rules == Rules(
        ownership={**Rules().ownership, CourseField.TAGS: Ownership.OWN},
        templates={CourseField.NAME: "{{ course.name }}!"},
        attributes={"Horas": "{{ duration }}"},
        meta={"course_hours": "{{ duration }}"},
        language="es",
        mark_gone=True,
    )


# -- config.example.toml against the models ----------------------------------------------------------------------------

KEY_LINE = re.compile(r"^#?([a-z_]+) = (.+)$")

Written = dict[str, tuple[str, str, bool]]
"""Per key: its comment, its value as written, whether it is set."""


def example_sections() -> dict[str, Written]:
    """Per section what is written in it, each `[[lms]]` by its kind."""
    sections: list[tuple[str, Written]] = []
    comment = ""
    for line in EXAMPLE.read_text().splitlines():
        if header := re.fullmatch(r"#?\[+([a-z_.]+)\]+", line):
            sections.append((header[1], {}))
        elif key := KEY_LINE.match(line):
            sections[-1][1][key[1]] = (comment, key[2], not line.startswith("#"))
        comment = line.removeprefix("# ")
    return {f"lms {keys['kind'][1]}" if name == "lms" else name: keys for name, keys in sections}


def shown_default(field: FieldInfo) -> object:
    """The default as TOML has it; None where there is none to be shown, so that the example may show a value."""
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, tuple):
        return list(default) or None
    return str(default) if isinstance(default, Path) else default if default != {} else None


MODELS: dict[str, type[BaseModel]] = {
    **SECTIONS,
    "alerts.mail": MailSettings,
    "alerts.web": WebSettings,
    **{f"course_sync.{field}": type(getattr(CourseSyncSettings(), field)) for field in CourseField},
    **{f'lms "{name}"': kind.settings for name, kind in KINDS.items()},
    "lms.budget": Budget,
}
CREDENTIALS = (
    "woocommerce_key",
    "woocommerce_secret",
    "moodle_token",
    "academy_id",
    "academy_secret",
    "smtp_password",
    "alerts_token",
    "alerts_signing",
)
URL_CREDENTIALS = ("alerts_url", "heartbeat_url")


def keys_of(section: str) -> dict[str, FieldInfo]:
    """The keys that stand in the section itself, not in one of its own."""
    fields = MODELS[section].model_fields
    family = section.partition(" ")[0]
    return {key: field for key, field in fields.items() if f"{family}.{key}" not in MODELS}


FIELDS = [
    pytest.param(section, key, field, id=f"{section}.{key}")
    for section in MODELS
    for key, field in keys_of(section).items()
]


def test_the_example_has_the_sections_of_the_config_in_their_order() -> None:
    names = [re.split("[ .]", name)[0] for name in example_sections()]
    assert list(dict.fromkeys(names)) == list(Config.model_fields)


def test_the_example_has_a_section_for_each_kind_of_lms() -> None:
    assert {name for name in example_sections() if name.startswith("lms ")} == {
        f'lms "{kind}"' for kind in KINDS
    }


@pytest.mark.parametrize("section", list(MODELS))
def test_the_example_has_the_keys_of_the_section(section: str) -> None:
    assert set(example_sections()[section]) == set(keys_of(section))


@pytest.mark.parametrize(("section", "key", "field"), FIELDS)
def test_the_comment_in_the_example_is_the_description(section: str, key: str, field: FieldInfo) -> None:
    assert example_sections()[section][key][0] == field.description


@pytest.mark.parametrize(("section", "key", "field"), FIELDS)
def test_the_example_shows_the_default(section: str, key: str, field: FieldInfo) -> None:
    _, written, is_set = example_sections()[section][key]
    value = tomllib.loads(f"x = {written}")["x"]
    if is_set:
        assert field.is_required() or key == "kind"
    elif not field.is_required() and shown_default(field) is not None:
        assert value == shown_default(field)


@pytest.mark.parametrize(("section", "key", "field"), FIELDS)
def test_a_key_that_is_a_time_or_a_share_says_so(section: str, key: str, field: FieldInfo) -> None:
    assert (field.annotation is float) == key.endswith(("_s", "_share"))
    assert not key.endswith("_s") or "seconds" in str(field.description)


def test_the_example_can_be_used_as_it_is(tmp_path: Path) -> None:
    for name in CREDENTIALS[:3]:
        (tmp_path / name).write_text(f"the {name}")
    loaded = load_config(EXAMPLE, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert (loaded.warnings, loaded.config.orders) == ((), OrdersSettings())


def test_the_example_can_be_used_with_every_key_set(tmp_path: Path) -> None:
    for name in CREDENTIALS:
        (tmp_path / name).write_text(f"the {name}")
    ca_file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(ca_file)
    for name in URL_CREDENTIALS:
        (tmp_path / name).write_text("https://hooks.example.com/T0/B0")
    text = re.sub(r"^#(?=[a-z_]+ = |\[)", "", EXAMPLE.read_text(), flags=re.MULTILINE)
    text = re.sub(r"/etc/wcsync/[a-z]+-ca\.pem", str(ca_file), text)
    path = tmp_path / "config.toml"
    path.write_text(text)
    config = load_config(path, {"CREDENTIALS_DIRECTORY": str(tmp_path)}).config
    assert config.store.ca_file == ca_file
    assert [lms.kind for lms in config.lms] == list(KINDS)
    assert config.alerts.mail is not None
    assert [web.name for web in config.alerts.web] == ["web"]
    assert config.heartbeat.url is not None
    assert ssl.create_default_context(cafile=ca_file)


@pytest.mark.parametrize(
    ("key", "value", "right"), [("consumer_key", "cs_Plugh", "ck_"), ("consumer_secret", "ck_Xyzzy", "cs_")]
)
def test_key_and_secret_that_were_exchanged_are_told_with_their_lines(
    path: Path, key: str, value: str, right: str
) -> None:
    file = path.parent / "pasted"
    file.write_text(value)
    file.chmod(0o600)
    line = 3 if key == "consumer_key" else 4
    text = re.sub(rf"{key} = .*", f'{key} = {{ file = "pasted" }}', STORE)
    problem = refuse_one(path, text + CAMPUS)
    assert problem.where == f"config.toml:{line}: store.{key}"
    assert right in problem.remedy
    assert value not in str(problem)


# -- who learns, what ends access, the proof ---------------------------------------------------------------------------


def test_whoever_is_never_wanted_is_compared_as_addresses_are(path: Path) -> None:
    said = '[learners]\nnever = [" Eve@Example.com", "Competitor.com", "@other.example"]\n'
    config = load(path, STORE + CAMPUS + said).config
    assert config.learners.never == ("eve@example.com", "@competitor.com", "@other.example")


def test_an_lms_has_its_own_way_of_withdrawing_its_fields_and_its_budget(path: Path) -> None:
    said = (
        'on_withdraw = "keep"\nprofile = { institution = "company" }\n[lms.budget]\nper_day = 20\n'
        '[learners.fields]\ncompany = ["billing.company"]\n'
    )
    config = load(path, STORE + CAMPUS + said).config
    [lms] = config.lms
    assert (lms.on_withdraw, lms.profile) == (Withdrawal.KEEP, {"institution": "company"})
    assert lms.budget == Budget(per_day=20)
    assert config.limits.sparing == {"campus"}
    assert config.learners.fields == {"company": ("billing.company",)}


def test_what_is_said_of_people_becomes_what_the_program_asks_for(path: Path) -> None:
    said = (
        '[learners]\nemail = ["attendees.*.email"]\nfields = { company = ["billing.company"] }\n'
        '[taking_back]\ncancelled = "keep"\ndeleted = "end"\nmax_withdrawals = 3\n'
    )
    config = load(path, STORE + CAMPUS + said).config
    keys = MetaKeys(email=("attendees.*.email",), fields={"company": ("billing.company",)})
    assert config.learners.meta_keys == keys
    assert config.taking_back.endings == {
        "cancelled": Aftermath.KEEP,
        "refunded": Aftermath.END,
        "failed": Aftermath.END,
        "trash": Aftermath.ASK,
        "deleted": Aftermath.END,
    }
    assert config.limits == Limits(most=3, share=0.1)
    assert config.reconcile.time_of_day == time(3)


def test_by_default_the_keys_of_known_plugins_are_read(path: Path) -> None:
    assert load(path, STORE + CAMPUS).config.learners.meta_keys == KNOWN_PLUGINS


def test_an_lms_that_cannot_suspend_is_not_told_to(path: Path) -> None:
    academy = (
        '[[lms]]\nname = "academy"\nkind = "360learning"\nurl = "https://app.example"\n'
        'client_id = { env = "KEY" }\nclient_secret = { env = "SECRET" }\non_withdraw = "suspend"\n'
    )
    problem = refuse_one(path, STORE + academy)
    assert problem.where == "config.toml:11: lms.0.on_withdraw"
    assert problem.message == "suspend is nothing that 360learning can do"
    assert "unenrol, keep or ask" in problem.remedy


@pytest.mark.parametrize(
    ("section", "line", "where", "message", "remedy"),
    [
        pytest.param(
            "learners", 'never = ["eve"]', "never.0", "neither an e-mail address", "a domain", id="never-word"
        ),
        pytest.param(
            "learners", 'never = ["a b@example.com"]', "never.0", "neither", "whole address", id="never-blank"
        ),
        pytest.param(
            "learners", 'never = "eve@example.com"', "never", "must be a list", "addresses", id="never-text"
        ),
        pytest.param("learners", 'email = [""]', "email.0", "is no meta key", "learner.email", id="meta-key"),
        pytest.param(
            "learners",
            'fields = { "vat id" = ["x"] }',
            "fields",
            '"vat id" cannot',
            "a word",
            id="field-name",
        ),
        pytest.param(
            "learners", 'seats = "all"', "seats", "'buyer-once'", "rows may differ", id="seats-unknown"
        ),
        pytest.param(
            "taking_back",
            'trash = "hold"',
            "trash",
            "must be 'end', 'ask' or 'keep'",
            "trash",
            id="aftermath",
        ),
        pytest.param(
            "taking_back", "max_withdrawals_share = 1.5", "max_withdrawals_share", "at most 1", "", id="share"
        ),
        pytest.param("reconcile", 'at = "3 am"', "at", "is no time of day", '"03:00"', id="at-words"),
        pytest.param("reconcile", 'at = "24:00"', "at", "is no time of day", '"03:00"', id="at-beyond"),
        pytest.param("reconcile", 'lms = "some"', "lms", "'all', 'sample' or 'none'", "", id="lms"),
        pytest.param("reconcile", "sample = 0", "sample", "at least 1", "", id="sample"),
        pytest.param("retention", "days = 0", "days", "at least 1", "erased", id="days"),
        pytest.param("subscriptions", "every = 60", "every", "unknown key", "every_s", id="misspelt"),
    ],
)
def test_a_mistake_about_people_is_told_with_its_line_and_remedy(
    path: Path, section: str, line: str, where: str, message: str, remedy: str
) -> None:
    problem = refuse_one(path, f"[{section}]\n{line}\n{STORE}{CAMPUS}")
    assert problem.where == f"config.toml:2: {section}.{where}"
    assert message in problem.message
    assert remedy in problem.remedy


def test_a_mistake_in_the_budget_of_the_second_lms_has_its_own_line(path: Path) -> None:
    second = CAMPUS.replace('"campus"', '"annex"')
    text = f"{STORE}{CAMPUS}[lms.budget]\ntotal = 1\n{second}[lms.budget]\n\nper_day = -1\n"
    problem = refuse_one(path, text)
    assert problem.where == "config.toml:19: lms.1.budget.per_day"
    assert problem.message == "must be at least 0"


def test_a_field_of_accounts_is_filled_by_one_that_is_read_of_orders(path: Path) -> None:
    said = 'profile = { institution = "compny" }\n[learners.fields]\ncompany = ["billing.company"]\n'
    problem = refuse_one(path, STORE + CAMPUS + said)
    assert problem.where == "config.toml:10: lms.0.profile.institution"
    assert problem.message == '"compny" is not in [learners.fields]'
    assert 'Did you mean "company"?' in problem.remedy


def test_a_key_of_the_budget_that_stands_in_its_lms_is_shown_its_place(path: Path) -> None:
    problem = refuse_one(path, STORE + CAMPUS + "per_day = 20\n")
    assert (problem.where, problem.remedy) == (
        "config.toml:10: lms.0.per_day",
        "It belongs below [lms.budget].",
    )
