"""Templates make what people mean, say where they are wrong, and can neither reach out nor run away."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from wcsync.course import Course, Module
from wcsync.mappers.courses.defaults import ATTRIBUTES, TEMPLATES
from wcsync.mappers.courses.templates import (
    BadTemplate,
    Occasion,
    Output,
    check_template,
    compile_template,
    output_of,
)
from wcsync.mappers.courses.wording import WORDS, Words, render_duration, render_language, render_list
from wcsync.model import CourseId, LmsName

COURSE = Course(
    lms=LmsName("campus"),
    course_id=CourseId("42"),
    site="https://campus.example",
    name="R & D",
    description="<p>For <b>all</b>.</p><p>More.</p>",
    authors=("Ada", "Grace", "Íñigo"),
    modules=(Module(title="Loops", duration_min=5), Module(title="<Tests>")),
    duration_min=90,
    language="es",
    starts_at=datetime(2026, 3, 1, tzinfo=UTC),
)


def made(text: str, output: Output = Output.PLAIN, language: str = "en") -> str:
    return compile_template(text, output).render(Occasion(courses=(COURSE,), language=language))


MADE = [
    pytest.param("{{ course.authors|joined }}", "Ada, Grace and Íñigo", id="list"),
    pytest.param("{{ course.authors|join(' / ') }}", "Ada / Grace / Íñigo", id="list with own marks"),
    pytest.param(
        "{{ course.duration }}, {{ 61|duration }}", "1 hour 30 minutes, 1 hour 1 minute", id="duration"
    ),
    pytest.param("{{ course.starts_at|date }}{{ course.ends_at|date }}", "1 March 2026", id="date"),
    pytest.param("{{ course.starts_at.year if course.starts_at }}", "2026", id="year"),
    pytest.param("{{ course.modules|map(attribute='title')|joined }}", "Loops and <Tests>", id="modules"),
    pytest.param("{{ course.description|opening }}", "For all. More.", id="plain description"),
    pytest.param("{{ course.language }} ({{ course.language_code }})", "Spanish (es)", id="language"),
    pytest.param("{{ course.level }}{{ course.ends_at }}", "", id="nothing to say"),
    pytest.param("{{ course.name.lower().split(' ')|first ~ '!' }}", "r!", id="text"),
    pytest.param("{{ 1 + 2 * 3 % 4 }}{{ 'a' + 'b' }}{{ 2.345|round(1) }}", "3ab2.3", id="numbers"),
    pytest.param(
        "{% for m in course.modules %}{{ loop.index }}/{{ loop.length }} {% endfor %}", "1/2 2/2 ", id="loop"
    ),
    pytest.param("{{ course.name|replace('&', 'and')|truncate(7) }}", "R and D", id="replaced"),
    pytest.param("{{ words.author }}: {{ skills|join|default('–', true) }}", "Author: –", id="words"),
    pytest.param("{{ 'a'|joined }}{{ ''|duration }}{{ none|duration }}", "a", id="a list of one"),
    pytest.param("a\r\n{% if true %}\r\nb\r\n{% endif %}\r\n", "a\nb\n", id="line ends of Windows"),
]


@pytest.mark.parametrize(("text", "expected"), MADE)
def test_a_template_makes(text: str, expected: str) -> None:
    assert check_template(text, Output.PLAIN) is None
    assert made(text) == expected


def test_html_is_escaped_unless_it_is_the_description() -> None:
    text = "<i>{{ course.name }}</i>{{ course.description }}{{ course.modules[1].title ~ '<b>' }}"
    assert (
        made(text, Output.HTML) == "<i>R &amp; D</i><p>For <b>all</b>.</p><p>More.</p>&lt;Tests&gt;&lt;b&gt;"
    )
    joined = "{{ [course.description, course.name]|joined }} {{ course.name ~ course.description }}"
    assert made(joined, Output.HTML).startswith(
        "<p>For <b>all</b>.</p><p>More.</p> and R &amp; D R &amp; D<p>"
    )


def test_the_first_paragraph_of_html_is_its_first_paragraph() -> None:
    assert made("{{ course.description|opening }}", Output.HTML) == "For all."


WRONG = [
    pytest.param(
        "x\n{{ course.nmae }}",
        'line 2 of the template: course has no "nmae". Did you mean "name"?',
        id="field",
    ),
    pytest.param(
        "{{ corse }}", 'there is no "corse". Did you mean "course"? Known: course, courses', id="variable"
    ),
    pytest.param(
        "{% for m in course.modules %}{{ m.titel }}{% endfor %}",
        'module has no "titel". Did you',
        id="of a module",
    ),
    pytest.param("{{ course.authors[0] }}", "there is no number 0 in a list of 0", id="first of none"),
    pytest.param("{{ course.name.nope }}", '"nope" cannot be asked of a text', id="of a text"),
    pytest.param("{{ course.ends_at.year }}", "where nothing is known; ask first", id="of nothing"),
    pytest.param("{{ words.autor }}", 'words has no "autor"', id="word"),
    pytest.param("{{ course.authors }}", "a list is no text: put |joined behind it", id="list"),
    pytest.param("{{ course }}", "course is no text: name one of its parts", id="course"),
    pytest.param("{{ words.languages }}", "is no text", id="other"),
    pytest.param("{{ 3|date }}", "a number is no date", id="no date"),
    pytest.param(
        "{{ course.name|shout }}", 'there is no filter "shout". Did you mean "sort"? Known: abs', id="filter"
    ),
    pytest.param("{{ course.name", "line 1 of the template: unexpected end of template", id="not closed"),
    pytest.param("{% for a in b %}", "line 1", id="loop not closed"),
    pytest.param("{{ []|first }}", "No first item, sequence was empty", id="first of nothing"),
    pytest.param("{{ 1 / 0 }}", "it divides by zero", id="zero"),
    pytest.param("{{ 'a' - 1 }}", "a value does not fit (TypeError)", id="type"),
    pytest.param(
        "{{ course.name|truncate(1) }}", "a value does not fit: expected length >= 3", id="truncate"
    ),
    pytest.param("{{ course.name|replace('', 'x') }}", "replace needs a text to look for", id="replace"),
    pytest.param("{{ " + "(" * 9000, "it is nested too deeply", id="brackets"),
    pytest.param("{% for a in courses %}" * 30 + "{% endfor %}" * 30, "it is nested too deeply", id="loops"),
    pytest.param("x" * 20_001, "longer than 20000 letters", id="length"),
    pytest.param("{{ range(3) }}", 'there is no "range"', id="range"),
    pytest.param("{{ course.name() }}", "nothing of that kind can be called", id="call"),
]


@pytest.mark.parametrize(("text", "problem"), WRONG)
def test_a_mistake_is_told(text: str, problem: str) -> None:
    assert problem in str(check_template(text, Output.HTML))


OUT = [
    "{{ ''.__class__ }}",
    "{{ course.__class__.__mro__ }}",
    "{{ course.__init__.__globals__ }}",
    "{{ course.name.format }}",
    "{{ '{0.__class__}'.format(course) }}",
    "{{ '{0.__class__}'.format_map({}) }}",
    "{{ self }}",
    "{{ lipsum.__globals__ }}",
    "{{ course.authors.__add__ }}",
    "{{ (course.starts_at or 1).__reduce__ }}",
    "{{ courses|map(attribute='__class__')|list|joined }}",
    "{{ [].append(1) }}",
    "{{ course.authors|attr('__class__') }}",
    "{{ cycler() }}",
    "{% include 'a' %}",
    "{% import 'a' as b %}",
    "{% from 'a' import b %}",
    "{% extends 'a' %}",
    "{% block a %}{% endblock %}",
    "{% autoescape false %}{{ course.name }}{% endautoescape %}",
]


@pytest.mark.parametrize("text", OUT)
def test_no_template_reaches_out(text: str) -> None:
    assert check_template(text, Output.PLAIN) is not None


LONG = [
    "{{ 'x' * 10 ** 9 }}",
    "{{ [1] * 10 ** 9 }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ 999999999999 * 999999999999 * 9 }}",
    "{% for a in range(10 ** 9) %}x{% endfor %}",
    "{{ '%1000000000d' % 1 }}",
    "{{ 'x'|center(10 ** 9) }}",
    "{{ 'x'.ljust(1000000000) }}",
    "{{ lipsum(n=10000) }}",
    "{{ 'x'|indent(1000000000) }}",
    "{{ 1.5|round(1000000000, 'ceil') }}",
    "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
    "{% set x %}a{% endset %}",
    "{% filter upper %}a{% endfilter %}",
    "{% call x() %}{% endcall %}",
    "{% for a in courses recursive %}{{ loop(courses) }}{% endfor %}",
    "{% set x = 'aaaaaaaaaa' %}" + "{% set x = x ~ x %}" * 40 + "{{ x }}",
    "{% set x = 'aaaaaaaaaa' %}" + "{% set x = x + x %}" * 40 + "{{ x }}",
    "{% set x = 'aaaaaaaaaa' %}" + "{% set x = x|replace('a', 'aa') %}" * 40 + "{{ x }}",
    "{% set x = 'aaaaaaaaaa' %}" + "{% set x = [x, x]|join(x) %}" * 40 + "{{ x }}",
    "{% set x = [1, 1] %}" + "{% set x = [x, x] %}" * 40 + "{{ x|joined }}",
    "{% set x = ('a' ~ 'b' ~ 'c' ~ 'd' ~ 'e' ~ 'f' ~ 'g')|list %}"
    + "".join(f"{{% for a{depth} in x %}}" for depth in range(15))
    + "{% endfor %}" * 15,
    "{% set x = 'a b c d e f g h'.split() %}"
    + "".join(f"{{% for a{depth} in x %}}" for depth in range(8))
    + "{{ x }}"
    + "{% endfor %}" * 8,
]


@pytest.mark.parametrize("text", LONG, ids=range(len(LONG)))
def test_no_template_runs_away(text: str) -> None:
    started = time.monotonic()
    assert check_template(text, Output.PLAIN) is not None
    assert time.monotonic() - started < 10


def test_a_template_that_makes_too_much_is_stopped() -> None:
    wide = "{% for a in course.modules %}" * 14 + "x" * 100 + "{% endfor %}" * 14
    with pytest.raises(BadTemplate, match=r"more than 1000000 letters|does too much"):
        made(wide)


def test_a_template_that_fits_the_samples_may_still_fail_for_a_course() -> None:
    assert check_template("{{ course.skills[0] if course.level }}", Output.PLAIN) is None
    unlucky = replace(COURSE, level="High")
    with pytest.raises(BadTemplate, match="there is no number 0") as caught:
        compile_template("{{ course.skills[0] if course.level }}", Output.PLAIN).render(
            Occasion(courses=(unlucky,))
        )
    assert caught.value.line == 1


@pytest.mark.parametrize("field", TEMPLATES)
def test_the_shipped_templates_are_right(field: str) -> None:
    [known] = [one for one in TEMPLATES if one == field]
    assert check_template(TEMPLATES[known], output_of(known)) is None


def test_the_shipped_attributes_are_right_and_have_a_word_for_their_name() -> None:
    for word, template in ATTRIBUTES.items():
        assert check_template(template, Output.PLAIN) is None
        assert all(getattr(words, word) for words in WORDS.values())


# -- words -------------------------------------------------------------------------------------------------------------


def test_every_language_has_every_word() -> None:
    english = WORDS["en"]
    for words in WORDS.values():
        assert isinstance(words, Words)
        assert words.languages.keys() == english.languages.keys()
        assert len(words.months) == 12


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", ("1 hour 1 minute", "2 hours", "0")),
        ("es", ("1 hora 1 minuto", "2 horas", "0")),
        ("fr", ("1 heure 1 minute", "2 heures", "0")),
    ],
)
def test_durations_are_told_in_words(language: str, told: tuple[str, str, str]) -> None:
    assert (render_duration(61, language), render_duration(120, language)) == told[:2]
    assert render_duration(0, language) == render_duration(-5, language) == ""


def test_lists_are_told_as_people_tell_them() -> None:
    assert render_list(["Ada"], "en") == "Ada"
    assert render_list([], "en") == ""
    assert render_list(["Ada", "Grace"], "fr") == "Ada et Grace"
    assert render_list(["Ada", "Íñigo"], "es") == "Ada e Íñigo"
    assert render_list(["Ada", "Hierro"], "es") == "Ada y Hierro"


def test_a_language_without_a_name_is_told_as_the_lms_tells_it() -> None:
    assert render_language("pt_BR", "es") == "Portugués"
    assert render_language("Klingon", "es") == "Klingon"
    assert render_language("", "es") == ""


@pytest.mark.parametrize(
    ("language", "day"), [("en", "1 March 2026"), ("es", "1 de marzo de 2026"), ("fr", "1 mars 2026")]
)
def test_days_are_told_in_the_shops_language(language: str, day: str) -> None:
    assert made("{{ course.starts_at }}", language=language) == day


# -- what a daemon that mirrors nothing does without -------------------------------------------------------------------


def test_neither_jinja_nor_nh3_is_loaded_before_a_template_is_used() -> None:
    program = (
        "import sys\n"
        "import wcsync.cli.run, wcsync.app, wcsync.config\n"
        "import wcsync.mappers.mapping, wcsync.mappers.courses.rendering\n"
        "from wcsync.mappers.mapping import read_mapping\n"
        "from wcsync.lms.registry import KINDS\n"
        'row = b\'[[map]]\\nproduct_id = 1\\nlms = "campus"\\ncourse = "4"\\nsync = "off"\\n\'\n'
        "read_mapping('m.toml', row, {'campus': KINDS['moodle'].target_keys})\n"
        "wcsync.config.CourseSyncSettings().rules()\n"
        "print(sorted({'jinja2', 'markupsafe', 'nh3'} & sys.modules.keys()))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert ran.stdout == "[]\n"
