"""What the demo's LMSs teach: how it begins, how its authors change it, and what they say of it at the end."""

from dataclasses import dataclass

from wcsync.sandbox.moodle import SandboxMoodle
from wcsync.sandbox.moodle_records import Course
from wcsync.sandbox.threesixty import SandboxThreeSixty

COURSES = {
    "PY-101": "Python for Beginners",
    "DE-A1": "Deutsch für Anfänger",
    "ES-DIS": "Diseño Gráfico",
    "JA-KAN": "漢字入門",
    "FR-SEC": "Sécurité au travail",
    "IT-90": "Italiano in 90 giorni",
}
NAMED_SKU, DAYS_SKU = "FR-SEC", "IT-90"
"""What companies buy for people whom they name, and what is sold for days."""
PATHS = {"MGT-1": "Management essentials", "GDPR": "Data protection, les bases"}
"""What 360Learning teaches in this demo; the others are Moodle's."""

Modules = tuple[tuple[str, str, str], ...]
"""Section, title and kind of each."""

MODULES: dict[str, Modules] = {
    "PY-101": (("Start", "Installing Python", "page"), ("Start", "Names & values", "page")),
    "DE-A1": (("Lektion 1", "Guten Tag!", "page"), ("Lektion 1", "Prüfung 1", "quiz")),
    "ES-DIS": (("", "Color y tipografía", "page"), ("", "Tu primer cartel", "assign")),
    "JA-KAN": (("第一課", "数字", "page"), ("第一課", "小テスト", "quiz")),
    "FR-SEC": (("Module 1", "Les risques", "page"), ("Module 1", "Premiers gestes", "page")),
    "IT-90": (("Giorno 1", "Buongiorno!", "page"), ("Giorno 90", "Arrivederci", "quiz")),
}
SKILLS = {
    "PY-101": ("Python",),
    "DE-A1": ("Deutsch A1",),
    "ES-DIS": ("Tipografía", "Color"),
    "FR-SEC": ("Prévention",),
}
TEACHERS = {"PY-101": ("Zoë Brontë",), "DE-A1": ("Jürgen Groß",), "ES-DIS": ("Lucía Núñez", "Iñaki Ruiz")}
PNG = b"\x89PNG\r\n\x1a\n"
COVERS = {"PY-101": PNG + b"snake", "DE-A1": PNG + b"languages", "JA-KAN": PNG + b"languages"}
"""The courses of languages look alike: two files with the same picture."""

LANGUAGES = {"en": "English"}
"""As the shop says it."""
STEPS = ("Listening", "Saying no"), ("What is personal data?", "Le DPO & vous")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """What an LMS says of a course, in its authors' own letters."""

    name: str
    skills: tuple[str, ...]
    modules: tuple[str, ...]
    authors: tuple[str, ...]
    language: str = ""
    cover: bytes = b""


def describe_course(moodle: SandboxMoodle, sku: str, course_id: int) -> None:
    moodle.describe_course(
        course_id,
        summary=f"<p>{COURSES[sku]}: 12 &amp; more hours.</p>",
        modules=MODULES[sku],
        skills=SKILLS.get(sku, ()),
        teachers=TEACHERS.get(sku, ()),
        cover=COVERS.get(sku),
    )


def describe_path(academy: SandboxThreeSixty, sku: str, path_id: str) -> None:
    steps = STEPS[list(PATHS).index(sku)]
    academy.describe_path(
        path_id,
        description=f"<p>{PATHS[sku]}, step by step.</p>",
        authors=("Maya Cohen",),
        tags=("Leadership", "Feedback"),
        steps=[("course", title) for title in steps],
    )


def rewrite_course(moodle: SandboxMoodle, course_id: int) -> None:
    """Another name, a module and a skill more."""
    course = moodle.courses[course_id]
    moodle.describe_course(
        course_id,
        name=f"{course.fullname} & Returners",
        modules=(*_modules(course), ("Practice", "Testing your code", "quiz")),
        skills=(*_skills(course), "Testing"),
    )


def add_module(moodle: SandboxMoodle, course_id: int) -> None:
    course = moodle.courses[course_id]
    moodle.describe_course(course_id, modules=(*_modules(course), ("Module 2", "L'incendie", "page")))


def add_step(academy: SandboxThreeSixty, path_id: str) -> None:
    titles = (*_titles(academy, path_id), "Giving feedback")
    academy.describe_path(path_id, steps=[("course", title) for title in titles])


def taught_course(moodle: SandboxMoodle, course_id: int) -> Taught:
    with moodle.lock:
        course = moodle.courses[course_id]
        return Taught(
            name=course.fullname,
            skills=_skills(course),
            modules=tuple(title for _, title, _ in _modules(course)),
            authors=tuple(account.fullname for account in moodle.contacts(course_id)),
            cover=next((file.content for file in course.files if file.area == "overviewfiles"), b""),
        )


def taught_path(academy: SandboxThreeSixty, path_id: str) -> Taught:
    with academy.lock:
        path, tags = academy.paths[path_id], academy.holdings.tags
        author = academy.users[path.author_id]
        return Taught(
            name=path.name,
            skills=tuple(tags[tag_id].name for tag_id in academy.holdings.path_tags[path_id]),
            modules=_titles(academy, path_id),
            authors=(f"{author.first_name} {author.last_name}",),
            language=LANGUAGES[path.source_lang],
        )


def _modules(course: Course) -> Modules:
    return tuple(
        (section.name, activity.name, activity.kind)
        for section in course.sections
        for activity in section.activities
    )


def _skills(course: Course) -> tuple[str, ...]:
    return tuple(competency.shortname for competency in course.competencies)


def _titles(academy: SandboxThreeSixty, path_id: str) -> tuple[str, ...]:
    return tuple(academy.holdings.courses[step.id].name for step in academy.paths[path_id].steps)
