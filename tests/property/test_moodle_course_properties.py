"""Whatever people type into a Moodle, the mirror gets plain texts of it."""

import html
import re
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from wcsync.lms.moodle.course_wire import (
    Contact,
    CourseModule,
    CustomField,
    FullCourse,
    Section,
    StoredFile,
    parse_course,
    parse_modules,
    parse_name,
)
from wcsync.lms.moodle.durations import LONGEST_MIN, parse_minutes
from wcsync.mappers.courses.plain import one_line
from wcsync.model import LmsName

texts = st.text(max_size=60) | st.text(alphabet="a <>&;/b\"'\\\n\x07é🚀#39amp", max_size=60)
numbers = st.integers(min_value=-(2**70), max_value=2**70) | st.none()

fields = st.builds(
    CustomField,
    shortname=st.sampled_from(["level", "duration", "language", "skills", "LEVEL", "sku"]) | texts,
    value=texts | st.none() | st.integers(),
)
files = st.builds(StoredFile, fileurl=texts | st.none(), mimetype=st.sampled_from(["image/png", "", None]))
courses = st.builds(
    FullCourse,
    id=st.integers(2, 10**9),
    fullname=texts,
    summary=texts | st.none(),
    categoryname=texts | st.none(),
    contacts=st.lists(st.builds(Contact, fullname=texts), max_size=3),
    customfields=st.lists(fields, max_size=4),
    overviewfiles=st.lists(files, max_size=2),
    visible=st.sampled_from([0, 1, None]),
    startdate=numbers,
    enddate=numbers,
    timemodified=numbers,
)
modules = st.builds(
    CourseModule,
    name=texts,
    modname=st.sampled_from(["page", "label", "subsection"]),
    instance=st.integers(1, 3),
    visible=st.sampled_from([0, 1]),
    description=texts | st.none(),
)
sections = st.builds(
    Section,
    name=texts,
    visible=st.sampled_from([0, 1]),
    component=st.sampled_from([None, "mod_subsection"]),
    itemid=st.integers(1, 3) | st.none(),
    modules=st.lists(modules, max_size=3),
)


@settings(max_examples=60)
@given(courses, st.lists(sections, max_size=4))
def test_every_course_is_read_as_plain_single_lines(told: FullCourse, inside: list[Section]) -> None:
    course = parse_course(told, LmsName("campus"), "https://campus.example", parse_modules(inside), ())
    titles = [text for module in course.modules for text in (module.title, module.section)]
    for text in (
        course.name,
        course.level,
        course.language,
        course.category,
        *course.skills,
        *course.authors,
        *titles,
    ):
        assert text == one_line(text)
        assert not any(unicodedata.category(char) in {"Cc", "Cs"} for char in text)
    assert all(module.title for module in course.modules)
    assert len(set(course.skills)) == len(course.skills)


@settings(max_examples=60)
@given(texts)
def test_a_name_survives_moodles_escaping(typed: str) -> None:
    """Moodle escapes an ampersand that begins no entity, and takes tags away."""
    typed = html.unescape(typed).replace("<", "‹").replace("&", "& ")
    shown = re.sub(r"&(?![a-zA-Z0-9#]{1,8};)", "&amp;", typed)
    assert parse_name(shown) == one_line(typed)


@settings(max_examples=60)
@given(texts | st.from_regex(r"[0-9]{0,6} ?[hm:,.]?[0-9]{0,6} ?(min)?", fullmatch=True))
def test_a_duration_is_a_sane_number_of_minutes_or_none(text: str) -> None:
    minutes = parse_minutes(text)
    assert minutes is None or 0 < minutes <= LONGEST_MIN
