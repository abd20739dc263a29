"""One course of a Moodle as it writes it: what it is, what is in it, what it teaches.

https://docs.moodle.org/dev/Web_service_API_functions
"""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

SECTIONS = 3
MODULES = 4
"""In each section."""

_SITE = "https://campus.example.test"
_MADE = 1_767_258_000
_SENTENCE = "En esta lección se practica lo aprendido con <strong>ejemplos reales</strong> & ejercicios. "
_FILTERS = ("displayh5p", "activitynames", "mathjaxloader", "emoticon", "urltolink", "mediaplugin")


def lesson(number: int, *, edition: int, summary_b: int) -> Json:
    """What `core_course_get_courses_by_field` tells: a summary of about `summary_b` bytes, which names the edition.

    `cacherev` stays: nothing in it changes.
    """
    return {
        "id": number,
        "fullname": f"Diseño Gráfico, nivel {number}",
        "displayname": f"Diseño Gráfico, nivel {number}",
        "shortname": f"DG-{number}",
        "courseimage": f"{_SITE}/pluginfile.php/{number + 17}/course/generated/course.svg",
        "categoryid": 2,
        "categoryname": "Diseño &amp; Arte",
        "sortorder": 20_000 + number,
        "summary": _summary(number, edition, summary_b),
        "summaryformat": 1,
        "summaryfiles": [],
        "overviewfiles": [],
        "showactivitydates": False,
        "showcompletionconditions": True,
        "contacts": [{"id": 6, "fullname": "Anna Author"}, {"id": 7, "fullname": "José Ñandú-O'Brien"}],
        "enrollmentmethods": ["manual"],
        "customfields": list(_custom(number)),
        "idnumber": f"WC-{number}",
        "format": "topics",
        "showgrades": 1,
        "newsitems": 0,
        "startdate": _MADE,
        "enddate": 0,
        "maxbytes": 0,
        "showreports": 0,
        "visible": 1,
        "groupmode": 0,
        "groupmodeforce": 0,
        "defaultgroupingid": 0,
        "enablecompletion": 1,
        "completionnotify": 0,
        "lang": "",
        "theme": "",
        "marker": 0,
        "legacyfiles": 0,
        "calendartype": "",
        "timecreated": _MADE,
        "timemodified": _MADE,
        "requested": 0,
        "cacherev": _MADE + number,
        "filters": [{"filter": name, "localstate": 0, "inheritedstate": 1} for name in _FILTERS],
        "courseformatoptions": [
            {"name": "hiddensections", "value": 1},
            {"name": "coursedisplay", "value": 0},
            {"name": "indentation", "value": "1"},
        ],
    }


def contents(number: int) -> list[Json]:
    """What `core_course_get_contents` tells without files."""
    return [_section(number, place) for place in range(SECTIONS)]


def competencies(number: int) -> list[Json]:
    """What `core_competency_list_course_competencies` tells."""
    return [_competency(number, place) for place in range(1, 4)]


def _summary(number: int, edition: int, summary_b: int) -> str:
    opening = f"<p>Curso {number}, edición {edition}.</p>"
    return f"{opening}<p>{_SENTENCE * (summary_b // len(_SENTENCE.encode()))}</p>"


def _custom(number: int) -> Iterator[Json]:
    for name, kind, raw, shown in (
        ("SKU", "text", f"COURSE-{number:04d}", f"COURSE-{number:04d}"),
        ("Level", "select", 1, "Beginner"),
        ("Duration", "text", "12 h", "12 h"),
        ("Outcomes", "textarea", "<p>Build a <em>site</em></p>", "<p>Build a <em>site</em></p>"),
    ):
        yield {
            "name": name,
            "shortname": name.lower(),
            "type": kind,
            "valueraw": raw,
            "value": shown,
        }


def _section(number: int, place: int) -> Json:
    return {
        "id": 10 * number + place,
        "name": f"Semana {place + 1} – básico",
        "visible": 1,
        "summary": "<p>Section <b>summary</b></p>",
        "summaryformat": 1,
        "section": place,
        "hiddenbynumsections": 0,
        "uservisible": True,
        "component": None,
        "itemid": None,
        "modules": [_module(number, MODULES * place + turn) for turn in range(MODULES)],
    }


def _module(number: int, place: int) -> Json:
    module_id = 100 * number + place
    done = {"state": 0, "timecompleted": 0, "overrideby": None, "valueused": False, "hascompletion": True}
    return {
        "id": module_id,
        "url": f"{_SITE}/mod/page/view.php?id={module_id}",
        "name": f"Lección {place + 1} &amp; ejercicios",
        "instance": module_id,
        "contextid": 30 + module_id,
        "visible": 1,
        "uservisible": True,
        "visibleoncoursepage": 1,
        "modicon": f"{_SITE}/theme/image.php/boost/page/{_MADE}/monologo?filtericon=1",
        "modname": "page",
        "purpose": "content",
        "branded": False,
        "modplural": "Pages",
        "availability": None,
        "indent": 0,
        "onclick": "",
        "afterlink": None,
        "customdata": '""',
        "noviewlink": False,
        "completion": 1,
        "completiondata": done
        | {"isautomatic": False, "istrackeduser": False, "uservisible": True, "details": []}
        | {"isoverallcomplete": False},
        "downloadcontent": 1,
        "dates": [],
        "groupmode": 0,
        "contents": [],
        "contentsinfo": {
            "filescount": 1,
            "filessize": 0,
            "lastmodified": _MADE,
            "mimetypes": [],
            "repositorytype": "",
        },
    }


def _competency(number: int, place: int) -> Json:
    moments = {"timecreated": _MADE, "timemodified": _MADE, "usermodified": 2}
    return {
        "competency": {
            "shortname": f"Habilidad {place}",
            "idnumber": f"c{place}",
            "description": f"Competency {place} description ",
            "descriptionformat": 1,
            "sortorder": place,
            "parentid": 0,
            "path": "/0/",
            "ruleoutcome": 0,
            "ruletype": None,
            "ruleconfig": None,
            "scaleid": None,
            "scaleconfiguration": None,
            "competencyframeworkid": 1,
            "id": place,
            **moments,
        },
        "coursecompetency": {
            "courseid": number,
            "competencyid": place,
            "sortorder": place,
            "ruleoutcome": 1,
            "id": 10 * number + place,
            **moments,
        },
    }
