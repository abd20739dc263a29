"""A shop, a Moodle and a 360Learning company between which the real commands mirror courses."""

import html
import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from click.testing import CliRunner

from tests.daemon_files import LEDGER, academy_section, campus_section, store_section, write_secrets
from wcsync.cli import main
from wcsync.sandbox.moodle import SandboxMoodle
from wcsync.sandbox.shop import SandboxShop
from wcsync.sandbox.threesixty import SandboxThreeSixty

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
QUARANTINE_S = 3.2
"""So long a write may still take effect here: three time-outs of the shop, and a bit."""
PATIENCE_S = 60.0
SECRETS = {
    "key": "ck_sandbox",
    "key_secret": "cs_sandbox",
    "token": "tok_gallery",
    "academy_id": "galleryid",
    "academy_secret": "gallerysecret",
}
Json = dict[str, Any]


class Gallery:
    """Products that show courses. With `alone` every command is a process of its own; else it only takes less time.

    `courses`: Moodle's, `paths`: of 360Learning; `products`: in the same order, those of the courses first.
    """

    def __init__(self, folder: Path, *, courses: int = 3, paths: int = 1, alone: bool = False) -> None:
        self.folder = folder
        self.alone = alone
        self.shop = SandboxShop().start()
        self.moodle = SandboxMoodle(token=SECRETS["token"]).start()
        self.academy = SandboxThreeSixty(
            client_id=SECRETS["academy_id"], client_secret=SECRETS["academy_secret"]
        ).start()
        self.courses = [self._add_course(number) for number in range(courses)]
        self.groups, self.paths = list[str](), list[str]()
        for number in range(paths):
            self._add_path(number)
        titles = [*(f"Course {n}" for n in range(courses)), *(f"Path {n}" for n in range(paths))]
        self.products = [
            self.shop.add_product(title, sku=f"P-{place}", price=f"{place + 1}9.90")
            for place, title in enumerate(titles)
        ]
        self._write_files()

    def close(self) -> None:
        for server in (self.shop, self.moodle, self.academy):
            server.stop()

    def configure(self, **settings: Any) -> None:
        """More keys of [course_sync]."""
        lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
        with self._config.open("a") as file:
            file.write("\n".join(["[course_sync]", *lines, ""]))

    def add_row(self, **keys: Any) -> None:
        with (self.folder / "mapping.toml").open("a") as file:
            file.write("\n".join(["", "[[map]]", *(f"{key} = {json.dumps(keys[key])}" for key in keys), ""]))

    def product(self, place: int) -> Json:
        return self.shop.product(self.products[place])

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "wcsync", *words, "--config", str(self._config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )

    def wcsync(self, *words: str, exit_code: int = 0) -> tuple[str, str]:
        """What it said on stdout and on stderr, blanks collapsed in the latter."""
        code, said, complained = self.try_out(*words)
        assert code == exit_code, (words, code, said, complained)
        assert not any(secret in said + complained for secret in SECRETS.values())
        return said, " ".join(complained.split())

    def try_out(self, *words: str) -> tuple[int, str, str]:
        """However it ends: its exit code, and what it said on stdout and stderr."""
        if not self.alone:
            result = CliRunner().invoke(main, [*words, "--config", str(self._config)])
            return result.exit_code, result.stdout, result.stderr
        process = self.start(*words)
        said, complained = process.communicate(timeout=PATIENCE_S)
        return process.returncode, said, complained

    def push(self, *words: str, exit_code: int = 0) -> Json:
        said, _ = self.wcsync("courses", "push", "--json", *words, exit_code=exit_code)
        run: Json = json.loads(said)
        return run

    def diff(self, *words: str, exit_code: int = 0) -> Json:
        said, _ = self.wcsync("courses", "diff", "--json", *words, exit_code=exit_code)
        outlook: Json = json.loads(said)
        return outlook

    def writes(self) -> list[str]:
        """What was asked of the shop that could change a product, a tag or a category."""
        return [f"{one.method} {one.path}" for one in list(self.shop.requests) if one.method != "GET"]

    def assert_at_rest(self) -> None:
        """One more run writes nothing."""
        before, asked = self.shown(), self.writes()
        assert self.push()["changed"] == 0
        assert (self.shown(), self.writes()) == (before, asked)

    def run_until_quiet(self) -> None:
        """Pushes until nothing is left to be done and nothing is open."""
        deadline = monotonic() + PATIENCE_S
        while True:
            self.try_out("courses", "push")
            outlook = json.loads(self.try_out("courses", "diff", "--json")[1])
            verdicts = {field["verdict"] for one in outlook["products"] for field in one["fields"]}
            if not (outlook["stops"] or verdicts & {"write", "waits"}):
                return
            assert monotonic() < deadline, outlook
            sleep(0.5)

    def shown(self) -> list[Json]:
        """All products as they are stored, without what differs from shop to shop: ports, instants, and numbers that
        things got."""
        return [self._comparable(number) for number in sorted(self.shop.products)]

    def _comparable(self, number: int) -> Json:
        product = self.shop.product(number)
        product["meta_data"] = {
            row["key"]: str(row["value"]).replace(self.moodle.url, "CAMPUS") for row in product["meta_data"]
        }
        for key in ("tags", "categories"):
            product[key] = sorted(html.unescape(one["name"]) for one in product[key])
        product["images"] = [
            sha256(self.shop.media.contents[one["id"]]).hexdigest() for one in product["images"]
        ]
        text = json.dumps({key: value for key, value in product.items() if not key.startswith("date_")})
        shown: Json = json.loads(text.replace(self.shop.url, "SHOP").replace(self.moodle.url, "CAMPUS"))
        return shown

    @property
    def _config(self) -> Path:
        return self.folder / "config.toml"

    def _add_course(self, number: int) -> int:
        course_id = self.moodle.add_course(f"Course {number}")
        self.moodle.describe_course(
            course_id,
            summary=f"<p>All about {number} &amp; more.</p>",
            teachers=["Ana Núñez"],
            modules=[("Week 1", "Begin", "page"), ("Week 1", "Go on", "quiz")],
            skills=["Python"],
        )
        return course_id

    def _add_path(self, number: int) -> None:
        group = self.academy.add_group(f"Path {number}")
        path, _ = self.academy.add_path(f"Path {number}", group)
        self.academy.describe_path(
            path, description="<p>Step by step.</p>", tags=["Leading"], steps=[("course", "Listening")]
        )
        self.groups.append(group)
        self.paths.append(path)

    def _write_files(self) -> None:
        write_secrets(self.folder, SECRETS)
        sites = ((store_section, self.shop), (campus_section, self.moodle), (academy_section, self.academy))
        self._config.write_text(
            "".join(section(site.url, "timeout_s = 1") for section, site in sites) + LEDGER
        )
        (self.folder / "mapping.toml").write_text("")
        for product_id, course in zip(self.products, self.courses, strict=False):
            self.add_row(product_id=product_id, lms="campus", course=str(course))
        rest = self.products[len(self.courses) :]
        for product_id, group, path in zip(rest, self.groups, self.paths, strict=True):
            self.add_row(product_id=product_id, lms="academy", group=group, path=path)


def options(product: Json, name: str) -> list[str]:
    return next((one["options"] for one in product["attributes"] if one["name"] == name), [])


def meta(product: Json) -> Json:
    return {row["key"]: row["value"] for row in product["meta_data"]}
