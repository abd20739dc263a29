"""What pydantic finds wrong, in plain words and without the value: it may be a secret."""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from wcsync.mappers.text_file import render_quoted, render_suggestion

_MESSAGES = {
    "missing": "is required, but not there",
    "int_type": "must be a whole number, without quotes",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is far too large",
    "float_type": "must be a number, without quotes",
    "float_parsing": "must be a number",
    "finite_number": "must be a usual number",
    "string_type": "must be a text, in quotes",
    "string_pattern_mismatch": "has a form that is not allowed (it must match {pattern})",
    "string_too_short": "must not be empty",
    "bool_type": "must be true or false, without quotes",
    "bool_parsing": "must be true or false",
    "tuple_type": 'must be a list in brackets, as in ["one", "two"]',
    "list_type": "must be a list, as in [1, 2]",
    "too_short": "must not be empty",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "refused": "{message}",
    "value_error": "{error}",
}


def explain(error: ErrorDetails, model: type[BaseModel]) -> tuple[str, str]:
    """Message and remedy for a key of `model`. `error` must have been made without its input."""
    model, key = _home(model, error["loc"])
    context: Mapping[str, Any] = error.get("ctx", {})
    if error["type"] == "extra_forbidden":
        return f"unknown key {render_quoted(key)}", render_suggestion(key, model.model_fields)
    message = _MESSAGES.get(error["type"], "cannot be used as it is").format(**context)
    field = model.model_fields.get(key)
    description = (field and field.description) or f"see {key} in config.example.toml"
    remedy = "Add it" if error["type"] == "missing" else "Correct it"
    return message, context.get("remedy") or f"{remedy}: {description}."


def _home(model: type[BaseModel], place: tuple[int | str, ...]) -> tuple[type[BaseModel], str]:
    """The innermost model on the way to a place, and its key there."""
    key = ""
    for step in place:
        if isinstance(step, str):
            inner = _inner(model, key)
            model, key = (inner, step) if not key or inner is not model else (model, key)
    return model, key


def _inner(model: type[BaseModel], key: str) -> type[BaseModel]:
    """The model of what a key holds, alone or as a list; the same one if it holds no section."""
    field = model.model_fields.get(key)
    annotation = field.annotation if field else None
    for found in (annotation, *get_args(annotation)):
        if isinstance(found, type) and issubclass(found, BaseModel):
            return found
    return model
