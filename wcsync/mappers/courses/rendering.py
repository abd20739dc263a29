"""What a product should show, made from its courses: always the same for the same courses. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from wcsync.course import Course, CourseState
from wcsync.mappers.courses.defaults import ATTRIBUTES, TEMPLATES
from wcsync.mappers.courses.fields import PREFIX, Field, Ownership
from wcsync.mappers.courses.plain import SHORTCODE, bare, clean, name_of
from wcsync.mappers.courses.rules import Rules
from wcsync.mappers.courses.sanitising import finish
from wcsync.mappers.courses.templates import BadTemplate, Occasion, Output, compile_template, output_of
from wcsync.mappers.courses.views import ShownCourse, ShownModule, show_courses
from wcsync.mappers.courses.wanted import Wanted, WantedPicture
from wcsync.mappers.courses.wording import WORDS

MOST_MEMBERS = 100
"""Tags, categories, or options of one attribute."""
LONGEST_META = 60_000
"""Letters of one meta value: MySQL's TEXT columns, which plugins copy them to, hold 64 KB."""
GONE = "gone"
"""Beside the values of `CourseState`: in `_wcsync_state`, of a product whose courses the LMS no longer shows."""


def render(courses: Sequence[Course], rules: Rules, picture: WantedPicture | None) -> Wanted:
    """Without courses nothing is wanted but, with `mark_gone`, the mark. Raises BadTemplate naming the field."""
    if not courses:
        return Wanted(meta={_key("state"): GONE} if rules.mark_gone else {})
    occasion = Occasion(courses=tuple(courses), language=rules.language)
    one = len(courses) == 1
    return Wanted(
        name=name_of(_render(Field.NAME, rules, occasion)) if one or Field.NAME in rules.own else "",
        description=_markup(Field.DESCRIPTION, rules, occasion),
        short_description=_markup(Field.SHORT_DESCRIPTION, rules, occasion),
        attributes=_attributes(rules, occasion),
        tags=_members(_render(Field.TAGS, rules, occasion)),
        categories=_members(_render(Field.CATEGORIES, rules, occasion)),
        picture=picture if one or Field.IMAGES in rules.own else None,
        meta=_meta(rules, occasion),
    )


def _render(field: Field, rules: Rules, occasion: Occasion) -> str:
    """'' for a field that is switched off: its template need not fit."""
    if rules.ownership[field] is Ownership.OFF:
        return ""
    return _rendered(field, rules.templates.get(field, TEMPLATES[field]), output_of(field), occasion)


def _rendered(place: str, template: str, output: Output, occasion: Occasion) -> str:
    try:
        return compile_template(template, output).render(occasion)
    except BadTemplate as exc:
        raise BadTemplate(f"{place}: {exc}") from exc


def _markup(field: Field, rules: Rules, occasion: Occasion) -> str:
    return finish(_render(field, rules, occasion), WORDS[occasion.language].more)


def _attributes(rules: Rules, occasion: Occasion) -> Mapping[str, tuple[str, ...]]:
    if rules.ownership[Field.ATTRIBUTES] is Ownership.OFF:
        return {}
    templates = _shipped_attributes(rules.language) if rules.attributes is None else rules.attributes
    options = {
        name: _members(_rendered(f"{Field.ATTRIBUTES} {name}", template, Output.PLAIN, occasion))
        for name, template in templates.items()
    }
    return {name: members for name, members in options.items() if members}


def _shipped_attributes(language: str) -> Mapping[str, str]:
    return {getattr(WORDS[language], word): template for word, template in ATTRIBUTES.items()}


def _members(text: str) -> tuple[str, ...]:
    """One for each line that has something to say; the same in other letters is the same."""
    members: dict[str, str] = {}
    for line in text.split("\n"):
        member = bare(line)
        if member:
            members.setdefault(member.casefold(), member)
    return tuple(members.values())[:MOST_MEMBERS]


def _meta(rules: Rules, occasion: Occasion) -> Mapping[str, str | None]:
    if rules.ownership[Field.META] is Ownership.OFF:
        return {}
    meta: dict[str, str | None] = dict(_shipped_meta(show_courses(occasion.courses, occasion.language, None)))
    meta[_key("state")] = _state(occasion.courses) if rules.mark_gone else None
    for key, template in (rules.meta or {}).items():
        text = _rendered(f"{Field.META} {key}", template, Output.PLAIN, occasion)
        text = _plain(clean(_unmarked(text))).strip()[:LONGEST_META]
        if text:
            meta[key] = text
    return meta


def _shipped_meta(courses: Sequence[ShownCourse]) -> Iterator[tuple[str, str | None]]:
    """None for what no course says: the key is to go."""
    yield _key("courses"), _json([f"{course.lms}:{course.id}" for course in courses])
    yield _key("authors"), _json(_unique(name for course in courses for name in course.authors))
    yield _key("skills"), _json(_unique(name for course in courses for name in course.skills))
    yield _key("modules"), _json([_told(module) for course in courses for module in course.modules])
    minutes = [course.duration_min for course in courses if course.duration_min is not None]
    yield _key("duration_min"), str(sum(minutes)) if len(minutes) == len(courses) else None
    for word, said in (
        ("language", (course.language_code for course in courses)),
        ("level", (course.level for course in courses)),
        ("url", (course.url for course in courses)),
    ):
        yield _key(word), _plain(", ".join(_unique(said))) or None


def _told(module: ShownModule) -> dict[str, object]:
    texts = {"title": module.title, "kind": module.kind, "section": module.section}
    told: dict[str, object] = {key: _unmarked(text) for key, text in texts.items() if text}
    return told if module.duration_min is None else told | {"duration_min": module.duration_min}


def _state(courses: Sequence[Course]) -> str | None:
    """The gravest; None while learners can find them all."""
    states = {course.state for course in courses}
    return next(
        (state.value for state in (CourseState.ARCHIVED, CourseState.HIDDEN) if state in states), None
    )


def _json(values: Sequence[object]) -> str | None:
    """One text, short enough to be kept, without a letter that means something in HTML; None if there is nothing."""
    kept = list(values)
    while kept:
        text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
        text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
        if len(text) <= LONGEST_META:
            return text
        kept = kept[: len(kept) * LONGEST_META // (len(text) + 1)]
    return None


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(filter(None, map(_unmarked, texts))))


def _unmarked(text: str) -> str:
    return text.replace(SHORTCODE, "[")


def _plain(text: str) -> str:
    """Themes write meta into pages, and not all of them escape it."""
    return text.replace("<", "‹").replace(">", "›")


def _key(word: str) -> str:
    return f"{PREFIX}{word}"
