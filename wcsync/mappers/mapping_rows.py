"""One row of a mapping file, whatever its format: texts in, a MapRow or every problem out."""

import re
from collections.abc import Mapping
from dataclasses import replace

from wcsync.mappers.cells import describe_damage, describe_sku_damage
from wcsync.mappers.mapping_sync import SYNC_KEYS, parse_sync
from wcsync.mappers.mapping_table import COURSE, MapRow, TargetKey, course_key
from wcsync.mappers.mapping_terms import TERM_KEYS, parse_seats, parse_terms
from wcsync.mappers.problems import Problems, refused
from wcsync.mappers.raw_rows import NO, YES, RawRow
from wcsync.mappers.text_file import render_quoted, render_suggestion
from wcsync.model import CourseId, LmsName, Option, ProductId, Target
from wcsync.sale import PLAIN_TERMS

Targets = Mapping[LmsName, tuple[TargetKey, ...]]
"""What a row may say for each LMS in the config."""

SELECTORS = ("product_id", "variation_id", "sku")
COLUMNS = (*SELECTORS, "lms", "ignore", "note", *TERM_KEYS)
"""The keys every row may have beside those about the mirror. An LMS adds its own, and the one that holds courses."""

LATER = "later"
"""In `ignore` of a row that says nothing else about its product: nobody has decided yet, as if there were no row."""

_ID = re.compile("[1-9][0-9]{0,17}")


def known_keys(lms: Targets) -> tuple[str, ...]:
    """Every key that some row may have, each once, but for those about the mirror."""
    own = (key for target_keys in lms.values() for key in _own_keys(target_keys))
    courses = (name for course in course_keys(lms) for name in (course.name, course.plural))
    return tuple(dict.fromkeys((*SELECTORS, "lms", *courses, "ignore", "note", *own, *TERM_KEYS)))


def course_keys(lms: Targets) -> tuple[TargetKey, ...]:
    """The keys that hold courses, each name once."""
    return tuple({key.name: key for key in map(course_key, lms.values())}.values()) or (COURSE,)


def parse_row(raw: RawRow, lms: Targets) -> MapRow | None:
    """None for a product nobody has decided about. Raises ConfigError with everything that is wrong with the row."""
    problems = Problems()
    problems.attempt(_check_keys, raw, lms)
    row = problems.attempt(_parse_selector, raw)
    if _is_open(raw):
        problems.raise_any()
        return None
    ignore = problems.attempt(_parse_ignore, raw)
    targets, terms, seats = None, None, None
    if ignore:
        problems.attempt(_check_ignored, raw, lms)
    elif ignore is False:
        targets = problems.attempt(_parse_targets, raw, lms)
        terms = problems.attempt(parse_terms, raw, _keys_of_its_lms(raw, lms))
        seats = problems.attempt(parse_seats, raw)
    sync = problems.attempt(parse_sync, raw.cells, {key: raw.where(key) for key in raw.cells})
    problems.raise_any()
    assert row is not None, raw
    return replace(
        row,
        targets=targets or (),
        ignore=bool(ignore),
        sync=sync or (),
        terms=terms or PLAIN_TERMS,
        seats=seats,
    )


def parse_lms_name(text: str, where: str, lms: Targets) -> LmsName:
    """Raises ConfigError for an LMS that is not in the config."""
    name = LmsName(text)
    if name not in lms:
        raise refused(where, f"lms {render_quoted(text)} is not in the config", render_suggestion(text, lms))
    return name


def _lms_name(raw: RawRow) -> LmsName:
    """As written, which may be none that is there."""
    return LmsName("".join(raw.cells.get("lms", ())).strip())


def _keys_of_its_lms(raw: RawRow, lms: Targets) -> tuple[TargetKey, ...]:
    return lms.get(_lms_name(raw), ())


def _check_keys(raw: RawRow, lms: Targets) -> None:
    """Every key is known, and means something to the row's LMS."""
    known = known_keys(lms)
    name = _lms_name(raw)
    allowed = (*COLUMNS, *_own_keys(lms[name])) if name in lms else known
    problems = Problems()
    for key in raw.cells:
        if key in SYNC_KEYS:
            continue
        if key not in known:
            message = f"unknown key {render_quoted(key)}"
            problems.add(raw.where(key), message, _suggested(key, allowed))
        elif key not in allowed:
            message = f'{key} means nothing to lms "{name}"'
            problems.add(raw.where(key), message, f"Remove it. {render_suggestion(key, allowed)}")
    problems.raise_any()


def _suggested(key: str, allowed: tuple[str, ...]) -> str:
    """Keys about the mirror are many: they are told to whom wrote something like one."""
    about_mirror = key.casefold().startswith(("sync", "templ"))
    return render_suggestion(key, SYNC_KEYS if about_mirror else allowed)


def _own_keys(target_keys: tuple[TargetKey, ...]) -> tuple[str, ...]:
    """What a row for that LMS may have besides COLUMNS."""
    course = course_key(target_keys)
    return (course.name, course.plural, *(key.name for key in _options(target_keys)))


def _options(target_keys: tuple[TargetKey, ...]) -> list[TargetKey]:
    """What goes with a course: neither its id nor what every LMS is told about the sale."""
    return [key for key in target_keys if not key.course and key.name not in TERM_KEYS]


def _parse_selector(raw: RawRow) -> MapRow:
    """The row with nothing but what it is about."""
    given = [key for key in SELECTORS if key in raw.cells]
    if not given:
        raise refused(
            raw.source, "the row does not say which product it is about", f"Add {' or '.join(SELECTORS)}."
        )
    if "sku" in given and len(given) > 1:
        raise refused(raw.source, f"the row is about {' and '.join(given)}", "Keep one of them.")
    return MapRow(
        source=raw.source,
        product_id=_parse_id(raw, "product_id"),
        variation_id=_parse_id(raw, "variation_id"),
        sku=_parse_sku(raw),
    )


def _parse_id(raw: RawRow, key: str) -> ProductId | None:
    text = raw.value(key)
    if text is None:
        return None
    if not _ID.fullmatch(text):
        done, remedy = describe_damage(text) or (
            "is no id of a product",
            "Write the number the shop shows in its list of products, as in 1017.",
        )
        raise refused(raw.where(key), f"{key} {render_quoted(text)} {done}", remedy)
    return ProductId(int(text))


def _parse_sku(raw: RawRow) -> str | None:
    sku = raw.value("sku")
    damage = describe_sku_damage(sku) if sku and raw.spreadsheet else None
    if sku and damage:
        raise refused(raw.where("sku"), f"sku {render_quoted(sku)} {damage[0]}", damage[1])
    return sku


def _parse_ignore(raw: RawRow) -> bool:
    text = raw.value("ignore")
    if text is None or text.casefold() in {*NO, LATER}:
        return False
    if text.casefold() not in YES:
        raise refused(raw.where("ignore"), f"ignore is {render_quoted(text)}", "Write true, or remove it.")
    return True


def _is_open(raw: RawRow) -> bool:
    ignore = raw.cells.get("ignore", ())
    said = set(raw.cells) - {*SELECTORS, "ignore", "note"}
    return [text.strip().casefold() for text in ignore] == [LATER] and not said


def _check_ignored(raw: RawRow, lms: Targets) -> None:
    harmless = {*SELECTORS, "ignore", "note"}
    known = {*known_keys(lms), *SYNC_KEYS} - harmless
    extra = [key for key in raw.cells if key in known]
    if extra:
        message = f"the row says both ignore and {' and '.join(extra)}"
        raise refused(
            raw.where(extra[0]), message, "Keep ignore for a product that is no course, else remove it."
        )


def _parse_targets(raw: RawRow, lms: Targets) -> tuple[Target, ...]:
    text = raw.value("lms")
    if text is None:
        raise refused(raw.source, "the row does not say which lms", f"Add lms. Known: {', '.join(lms)}.")
    name = parse_lms_name(text, raw.where("lms"), lms)
    problems = Problems()
    courses = problems.attempt(_parse_courses, raw, name, lms[name])
    options = problems.attempt(_parse_options, raw, name, lms[name])
    problems.raise_any()
    return tuple(
        Target(lms=name, course_id=CourseId(course), options=options or ()) for course in courses or ()
    )


def _parse_courses(raw: RawRow, lms: LmsName, target_keys: tuple[TargetKey, ...]) -> tuple[str, ...]:
    key = course_key(target_keys)
    given = [name for name in (key.name, key.plural) if name in raw.cells]
    if len(given) != 1:
        said = f"gives both {key.name} and {key.plural}" if given else f"does not say which {key.name}"
        remedy = f"Write {key.name} for one, {key.plural} for several."
        raise refused(raw.source, f"the row {said}", remedy)
    courses = raw.values(given[0])
    _check_shape(raw, given[0], courses, lms, key)
    return courses


def _parse_options(raw: RawRow, lms: LmsName, target_keys: tuple[TargetKey, ...]) -> tuple[Option, ...]:
    problems = Problems()
    options: set[Option] = set()
    for target_key in _options(target_keys):
        values = problems.attempt(_parse_option, raw, lms, target_key) or ()
        options.update((target_key.name, value) for value in values)
    problems.raise_any()
    return tuple(sorted(options))


def _parse_option(raw: RawRow, lms: LmsName, target_key: TargetKey) -> tuple[str, ...]:
    key = target_key.name
    if key not in raw.cells:
        if target_key.required:
            raise refused(raw.source, f'lms "{lms}" needs {key}', f"Add it: {target_key.doc}.")
        return ()
    if not target_key.many:
        raw.value(key)
    values = raw.values(key)
    _check_shape(raw, key, values, lms, target_key)
    return values


def _check_shape(raw: RawRow, key: str, values: tuple[str, ...], lms: LmsName, target_key: TargetKey) -> None:
    for value in values:
        if not re.fullmatch(target_key.pattern, value):
            done, remedy = describe_damage(value) or (f'is nothing lms "{lms}" knows', "Correct it.")
            message = f"{key} {render_quoted(value)} {done}"
            raise refused(raw.where(key), message, f"{remedy} Expected: {target_key.doc}.")
