"""The few words that wcsync itself puts into a product, in the shop's language. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Words of one language. `hour`, `minute`: one and several. `months` from January."""

    author: str
    authors: str
    skills: str
    modules: str
    level: str
    duration: str
    language: str
    category: str
    conjunction: str
    hour: tuple[str, str]
    minute: tuple[str, str]
    months: tuple[str, ...]
    day: str
    more: str
    languages: Mapping[str, str]


_EN = Words(
    author="Author",
    authors="Authors",
    skills="Skills",
    modules="Course content",
    level="Level",
    duration="Duration",
    language="Language",
    category="Category",
    conjunction=" and ",
    hour=("hour", "hours"),
    minute=("minute", "minutes"),
    months=(
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
        "November", "December",
    ),
    day="{day} {month} {year}",
    more="The full description is in the course.",
    languages={
        "ar": "Arabic", "ca": "Catalan", "de": "German", "en": "English", "es": "Spanish", "eu": "Basque",
        "fr": "French", "gl": "Galician", "it": "Italian", "ja": "Japanese", "nl": "Dutch", "pl": "Polish",
        "pt": "Portuguese", "ru": "Russian", "zh": "Chinese",
    },
)  # fmt: skip

_ES = Words(
    author="Autor",
    authors="Autores",
    skills="Competencias",
    modules="Contenido del curso",
    level="Nivel",
    duration="Duración",
    language="Idioma",
    category="Categoría",
    conjunction=" y ",
    hour=("hora", "horas"),
    minute=("minuto", "minutos"),
    months=(
        "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
        "noviembre", "diciembre",
    ),
    day="{day} de {month} de {year}",
    more="La descripción completa está en el curso.",
    languages={
        "ar": "Árabe", "ca": "Catalán", "de": "Alemán", "en": "Inglés", "es": "Español", "eu": "Euskera",
        "fr": "Francés", "gl": "Gallego", "it": "Italiano", "ja": "Japonés", "nl": "Neerlandés", "pl": "Polaco",
        "pt": "Portugués", "ru": "Ruso", "zh": "Chino",
    },
)  # fmt: skip

_FR = Words(
    author="Auteur",
    authors="Auteurs",
    skills="Compétences",
    modules="Contenu du cours",
    level="Niveau",
    duration="Durée",
    language="Langue",
    category="Catégorie",
    conjunction=" et ",
    hour=("heure", "heures"),
    minute=("minute", "minutes"),
    months=(
        "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre",
        "novembre", "décembre",
    ),
    day="{day} {month} {year}",
    more="La description complète se trouve dans le cours.",
    languages={
        "ar": "Arabe", "ca": "Catalan", "de": "Allemand", "en": "Anglais", "es": "Espagnol", "eu": "Basque",
        "fr": "Français", "gl": "Galicien", "it": "Italien", "ja": "Japonais", "nl": "Néerlandais", "pl": "Polonais",
        "pt": "Portugais", "ru": "Russe", "zh": "Chinois",
    },
)  # fmt: skip

WORDS: Mapping[str, Words] = {"en": _EN, "es": _ES, "fr": _FR}
"""By the shop's language."""


def render_duration(minutes: int, language: str) -> str:
    """`90` → `1 hour 30 minutes`; '' for none."""
    words = WORDS[language]
    hours, rest = divmod(max(minutes, 0), 60)
    parts = [(hours, words.hour), (rest, words.minute)]
    return " ".join(f"{count} {forms[_plural(count, language)]}" for count, forms in parts if count)


def render_list(texts: Sequence[str], language: str) -> str:
    """`Ada, Grace and Hedy`."""
    if len(texts) < 2:
        return "".join(texts)
    conjunction = WORDS[language].conjunction
    if language == "es" and _sounds_like_i(texts[-1]):
        conjunction = " e "
    return f"{', '.join(texts[:-1])}{conjunction}{texts[-1]}"


def render_date(day: date, language: str) -> str:
    """The day, as people write it."""
    words = WORDS[language]
    return words.day.format(day=day.day, month=words.months[day.month - 1], year=day.year)


def render_language(code: str, language: str) -> str:
    """What the shop's people call the language of a course; as the LMS says it where that is no code we know."""
    base = code.replace("_", "-").partition("-")[0].casefold()
    return WORDS[language].languages.get(base, code)


def _plural(count: int, language: str) -> int:
    return int(count > 1 if language == "fr" else count != 1)


def _sounds_like_i(word: str) -> bool:
    """https://www.rae.es/dpd/y"""
    start = word.casefold()
    return start.startswith(("i", "í", "hi", "hí")) and not start.startswith(
        ("hia", "hie", "hio", "ia", "ie", "io")
    )
