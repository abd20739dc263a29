"""The product put together as it runs: files in a folder, the App over them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.courses import FIRST
from benchmarks.payload import COURSES
from benchmarks.wares import sku_of
from wcsync import log as logs
from wcsync.app import App
from wcsync.config import load_config
from wcsync.model import CourseId, LmsName, Target

KEY, SECRET, TOKEN = "ck_bench", "cs_bench", "benchtoken"
CAMPUS = LmsName("campus")
NOWHERE = "http://127.0.0.1:9"
"""A service that is not asked."""

_CONFIG = """
[store]
url = "{shop_url}"
consumer_key = {{ file = "key" }}
consumer_secret = {{ file = "secret" }}
[orders]
start = {start}
poll_every_s = {poll_every_s}
hot_s = {hot_s}
page_size = {page_size}
workers = {workers}
[[lms]]
name = "campus"
kind = "moodle"
url = "{campus_url}"
token = {{ file = "token" }}
[notes]
enabled = false
[ledger]
path = "ledger.db"
[log]
format = "json"
"""


def write_config(
    folder: Path,
    *,
    shop_url: str = NOWHERE,
    campus_url: str = NOWHERE,
    workers: int = 4,
    page_size: int = 100,
    poll_every_s: float = 60.0,
    start: str = "now",
    hot_s: float = 120.0,
    mapping: str = "",
) -> Path:
    """Writes config, secrets and mapping (its own, or that of the orders) into `folder`. Returns the config's path."""
    for name, secret in (("key", KEY), ("secret", SECRET), ("token", TOKEN)):
        path = folder / name
        path.touch(mode=0o600)
        path.write_text(secret)
    (folder / "mapping.toml").write_text(mapping or render_mapping())
    config = folder / "config.toml"
    config.write_text(
        _CONFIG.format(
            shop_url=shop_url,
            campus_url=campus_url,
            workers=workers,
            page_size=page_size,
            poll_every_s=poll_every_s,
            hot_s=hot_s,
            start=f'"{start}"',
        )
    )
    return config


def render_mapping() -> str:
    """Product n sells the n-th course."""
    rows = [
        f'[[map]]\nproduct_id = {product}\nlms = "{CAMPUS}"\ncourse = "{course}"\n'
        for product, course in enumerate(COURSES, start=1)
    ]
    return "\n".join(rows)


def render_courses_mapping(products: int, *, by_sku: bool) -> str:
    """Products 1, 2, … of the fake shop that is written to sell the courses of the fake Moodle that has some."""
    rows = []
    for product, target in enumerate(course_targets(products), start=1):
        key = f'sku = "{sku_of(product)}"' if by_sku else f"product_id = {product}"
        rows.append(f'[[map]]\n{key}\nlms = "{CAMPUS}"\ncourse = "{target.course_id}"\n')
    return "\n".join(rows)


def course_targets(courses: int) -> list[Target]:
    """All courses of that Moodle."""
    return [Target(lms=CAMPUS, course_id=CourseId(str(number))) for number in range(FIRST, FIRST + courses)]


@contextmanager
def opened(
    *,
    shop_url: str = NOWHERE,
    campus_url: str = NOWHERE,
    workers: int = 4,
    page_size: int = 100,
    start: str = "now",
    mapping: str = "",
) -> Iterator[App]:
    """The App over a new ledger on disk, prepared; its log is written as the daemon's is, to nowhere."""
    with TemporaryDirectory(prefix="wcsync-bench-") as name, Path("/dev/null").open("w") as nowhere:
        path = write_config(
            Path(name),
            shop_url=shop_url,
            campus_url=campus_url,
            workers=workers,
            page_size=page_size,
            start=start,
            mapping=mapping,
        )
        config = load_config(path, {}).config
        logs.configure(
            level=config.log.level, style=config.log.format, secrets=config.secrets(), stream=nowhere
        )
        app = App(config)
        try:
            app.prepare()
            yield app
        finally:
            app.close()
