"""What a mapping row says of the mirror is read, checked where it stands, and kept."""

from dataclasses import replace

import pytest

from wcsync.errors import ConfigError, Problem
from wcsync.lms.registry import KINDS
from wcsync.mappers.courses.fields import Field, Ownership
from wcsync.mappers.courses.rules import Rules, rules_for
from wcsync.mappers.mapping import Mapping, TargetKey, read_mapping
from wcsync.mappers.mapping_export import render_csv
from wcsync.mappers.selectors import as_line
from wcsync.model import LmsName, Product, ProductId

KEYS: dict[LmsName, tuple[TargetKey, ...]] = {
    LmsName("campus"): KINDS["moodle"].target_keys,
    LmsName("academy"): KINDS["360learning"].target_keys,
}
PRODUCT = Product(product_id=ProductId(1), sku="PY-1", name="Python")
ROW = '[[map]]\nproduct_id = 1\nlms = "campus"\ncourse = "42"\n'
SAID = """\
sync = "OWN"
sync_tags = "fill"
template_description = '''
<h2>{{ course.name }}</h2>
{{ course.description | opening }}
'''
"""


def read(text: str) -> Mapping:
    return read_mapping("mapping.toml", text.encode(), KEYS)


def refuse(text: str | bytes, name: str = "mapping.toml") -> list[Problem]:
    content = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(ConfigError) as caught:
        read_mapping(name, content, KEYS)
    return list(caught.value.problems)


def said(mapping: Mapping) -> dict[str, str]:
    match = mapping.match(as_line(PRODUCT))
    assert match is not None
    return dict(match.sync)


def test_a_row_says_whose_word_counts_and_how_a_field_is_made() -> None:
    assert said(read(ROW + SAID)) == {
        "sync": "own",
        "sync_tags": "fill",
        "template_description": "<h2>{{ course.name }}</h2>\n{{ course.description | opening }}",
    }


def test_rows_of_one_product_may_speak_of_different_things() -> None:
    other = ROW.replace("42", "43")
    mapping = read(ROW + 'sync_name = "off"\n' + other + 'sync_tags = "own"\nsync_name = "off"\n')
    assert said(mapping) == {"sync_name": "off", "sync_tags": "own"}


def test_rows_of_one_product_must_not_contradict_each_other() -> None:
    other = ROW.replace("42", "43")
    [problem] = refuse(ROW + 'sync_name = "off"\n' + other + 'sync_name = "own"\n')
    assert problem.where == "mapping.toml:6"
    assert problem.message == 'sync_name of product_id "1" is said otherwise in mapping.toml:1'
    assert "counts for the whole product" in problem.remedy


MISTAKES = [
    pytest.param(
        'sync = "mine"', 'sync is "mine"', "Known: off, fill, own-unless-edited, own", id="ownership"
    ),
    pytest.param('sync_name = "offf"', 'sync_name is "offf"', 'Did you mean "off"?', id="mistyped ownership"),
    pytest.param(
        'sync_nmae = "off"', 'unknown key "sync_nmae"', 'Did you mean "sync_name"?', id="mistyped key"
    ),
    pytest.param(
        'template_imags = "x"', "unknown key", "Known: sync, sync_name", id="images have no template"
    ),
    pytest.param('template_name = " "', "template_name is empty", "remove it", id="empty"),
    pytest.param('sync_name = ["off", "own"]', "takes one value, not 2", "Write one text", id="two values"),
    pytest.param('template_name = "a\\u200Bb"', "U+200B", "Type it again", id="invisible character"),
    pytest.param(
        "template_name = '{{ course.nmae }}'",
        'line 1 of the template: course has no "nmae". Did you mean "name"?',
        "Correct it: https://jinja",
        id="mistyped variable",
    ),
    pytest.param("sync = false", "neither text nor a usual number", 'Write sync = "…"', id="no text"),
]


@pytest.mark.parametrize(("written", "message", "remedy"), MISTAKES)
def test_a_mistake_is_told_with_its_line_and_what_to_do(written: str, message: str, remedy: str) -> None:
    [problem] = refuse(ROW + written + "\n")
    assert problem.where == "mapping.toml:5"
    assert message in problem.message
    assert remedy in problem.remedy


def test_the_mirror_of_a_product_that_is_no_course_cannot_be_spoken_of() -> None:
    [problem] = refuse(ROW + '[[map]]\nproduct_id = 2\nignore = true\nsync = "off"\n')
    assert problem.where == "mapping.toml:8"
    assert problem.message == "the row says both ignore and sync"


def test_a_row_about_the_mirror_alone_still_names_its_course() -> None:
    [problem] = refuse('[[map]]\nproduct_id = 1\nignore = "later"\nsync = "off"\n')
    assert "does not say which lms" in problem.message


def test_a_spreadsheet_has_columns_for_it_whose_bars_and_breaks_are_text() -> None:
    header = "product_id,lms,course,Sync Name,template_description"
    content = f'{header}\n1,campus,42|43,own,"{{{{ course.name|upper }}}}\r\n<hr>"\n'
    mapping = read_mapping("mapping.csv", content.encode(), KEYS)
    assert said(mapping) == {
        "sync_name": "own",
        "template_description": "{{ course.name|upper }}\n<hr>",
    }


def test_a_mistyped_column_about_the_mirror_is_suggested() -> None:
    [problem] = refuse("product_id,lms,course,sync_nme\n1,campus,42,own\n", "mapping.csv")
    assert 'Did you mean "sync_name"?' in problem.remedy


def test_the_export_keeps_it_and_has_its_columns_only_where_something_is_said() -> None:
    mapping = read(ROW + SAID)
    content = render_csv([PRODUCT], mapping, KEYS)
    assert said(read_mapping("mapping.csv", content, KEYS)) == said(mapping)
    header = content.decode().splitlines()[0].split(",")
    assert header[-3:] == ["sync", "sync_tags", "template_description"]
    assert "sync" not in render_csv([PRODUCT], read(ROW), KEYS).decode()


def test_it_survives_being_kept_and_changes_the_fingerprint() -> None:
    silent, mapping = read(ROW), read(ROW + SAID)
    assert Mapping.from_json(mapping.to_json()) == mapping
    assert mapping.fingerprint != silent.fingerprint
    assert mapping.fingerprint != read(ROW + SAID.replace("fill", "own")).fingerprint
    assert mapping.fingerprint == read(ROW + "note = 'x'\n" + SAID).fingerprint


def test_the_fingerprint_of_a_mapping_that_says_nothing_of_it_is_what_it_always_was() -> None:
    assert read(ROW).fingerprint == "8f9776cbbc7fb678ee542dd7c541ee24ef987c5c1c8847cae62335ace8219a47"


# -- what it comes to --------------------------------------------------------------------------------------------------


def test_an_ownership_for_all_leaves_alone_what_the_config_switches_off() -> None:
    rules = rules_for(Rules(), (("sync", "own"),))
    assert {field for field, word in rules.ownership.items() if word is Ownership.OFF} == {
        Field.TAGS,
        Field.CATEGORIES,
    }
    assert rules.ownership[Field.NAME] is Ownership.OWN
    assert rules.own == frozenset()


def test_a_field_that_is_named_counts_before_all() -> None:
    rules = rules_for(Rules(), (("sync", "off"), ("sync_tags", "fill"), ("template_name", "x")))
    assert {field for field, word in rules.ownership.items() if word is not Ownership.OFF} == {Field.TAGS}
    assert rules.templates == {Field.NAME: "x"}
    assert rules.own == {Field.TAGS, Field.NAME}


def test_a_row_that_says_nothing_changes_nothing() -> None:
    base = replace(Rules(), templates={Field.NAME: "y"}, language="fr")
    assert rules_for(base, ()) == base


@pytest.mark.parametrize("key", ["sync_name", "sync_tags", "template_name"])
def test_a_variation_has_no_say_in_what_its_product_shows(key: str) -> None:
    value = "off" if key.startswith("sync") else "{{ course.name }}"
    [problem] = refuse(f'[[map]]\nvariation_id = 9\nlms = "campus"\ncourse = "42"\n{key} = "{value}"\n')
    assert problem.where == "mapping.toml:5"
    assert "a variation, which has only its description, images, meta" in problem.message


def test_a_variation_may_say_what_it_has_for_itself() -> None:
    row = (
        '[[map]]\nvariation_id = 9\nlms = "campus"\ncourse = "42"\nsync = "own"\nsync_description = "fill"\n'
    )
    [read_row] = read(row).rows
    assert dict(read_row.sync) == {"sync": "own", "sync_description": "fill"}
