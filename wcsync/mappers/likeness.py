"""How much a product looks like a course, by SKU and by name. Pure.

What tells two courses of one subject apart (levels, numbers, hours, years, the classroom) is never blurred: such
words are taken out of a name as marks, and where the marks of two names contradict each other no likeness of the
other words makes up for it.

Loads rapidfuzz: import it only where suggestions are wanted.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import IntEnum

from rapidfuzz import fuzz


class Likeness(IntEnum):
    """In the words people read. Only what is `CERTAIN` is proposed without asking them to look."""

    MAYBE = 1
    LIKELY = 2
    CERTAIN = 3

    @property
    def word(self) -> str:
        return self.name.lower()


LIKELY_FROM = 90
MAYBE_FROM = 70
SUBSET = 0.8
"""What is left of a likeness when all words of one name are in the other, which has more."""

SHORT_NUMBER = 6
"""A SKU of fewer digits may equal a course's number by chance."""
SHORT_CODE = 4
"""A SKU of fewer letters and digits may equal a course's short name by chance: `XL` is a size, too."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_AWAY = r"\b(?:on[\s-]?line|e[\s-]?learning|en linea|en ligne|a distancia|a distance|aula virtual)\b"
_ANY_COURSE = r"\b(?:cursos?|formacion|formations?|cours|courses?|training|class|classes)\b"
_ELSEWHERE = re.compile(
    rf"(?P<before>(?:[^\w\s]|{_ANY_COURSE})\s*){_AWAY}|^\s*{_AWAY}(?=\s*(?:$|[^\w\s]|{_ANY_COURSE}))"
)
"""Said apart from the name it is how the course is held; `Marketing online` may well be a course of its own."""
_WITHIN = re.compile(_AWAY)
_ELISION = re.compile(r"\b[dl]['\u2019]")
_VOWEL_SIGNS = r"\u0900-\u0963\u0966-\u0eff"
"""The scripts of India and Thailand: signs that are letters there, but not for `re`."""
_TOKEN = re.compile(rf"(?:[^\W_]|[{_VOWEL_SIGNS}])+(?:\+\+|\+|#)?")
_HOURS = re.compile(r"\b(\d{1,4})\s*(?:h|hs|hrs?|horas?|hours?|heures?)\b")
_FILLERS = _words(
    "curso cursos formacion de del la el los las lo al en a e y o u i para por con un una unos unas "
    "formation formations cours du des le les au aux et pour avec une d l "
    "course courses training class classes the an and of to for with in on by "
    "nivel niveles level levels niveau niveaux"
)
_LETTERS = _words("a e y o u i d l")
"""Fillers that are a mark as the last word: `Permiso A`. Elsewhere they may be one, as in `Hepatitis A y B`."""

_LEVELS = {
    "basic": _words("basico basica basicos basicas basic basique"),
    "initiation": _words("iniciacion initiation"),
    "initial": _words("inicial initial"),
    "beginner": _words("principiante principiantes beginner beginners debutant debutants debutante"),
    "elementary": _words("elemental elementary elementaire"),
    "intermediate": _words("intermedio intermedia intermediate intermediaire"),
    "advanced": _words("avanzado avanzada avanzados avanzadas advanced avance avancee"),
    "upper": _words("superior superieur upper"),
    "expert": _words("experto experta expertos expert experts"),
    "introduction": _words("introduccion introduction intro"),
    "refresher": _words("perfeccionamiento perfectionnement refresher reciclaje recyclage"),
}
_MODES = {
    "classroom": _words("presencial presenciales presentiel classroom"),
    "mixed": _words("semipresencial mixto mixta blended hybride hibrido"),
    "live": _words("directo streaming live"),
}
_SAID = {word: ("level", level) for level, words in _LEVELS.items() for word in words} | {
    word: ("mode", mode) for mode, words in _MODES.items() for word in words
}
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6", "vii": "7", "viii": "8", "ix": "9"}
_SHAPES = (
    ("grade", re.compile(r"[abc][12]\+?")),
    ("year", re.compile(r"(?:19|20)\d\d")),
    ("number", re.compile(r"\d+")),
    ("code", re.compile(r".*\d.*")),
)
_SOFT = frozenset({"hours", "year", "mode"})
"""Marks that one of two names may well leave out. Without the others it is open which of several is meant."""
_ANYWHERE = frozenset({"level", "mode"})
"""Marks that mean the same wherever they stand. `Module 1 unit 2` is not `Module 2 unit 1`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A name as it is compared. `words`: sorted, without fillers; `marks`: (kind, value).

    `order`: the words and the marks that count or name something as they follow each other, repeated ones too.
    """

    words: tuple[str, ...]
    marks: frozenset[tuple[str, str]]
    order: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def said(self, kind: str) -> frozenset[str]:
        return frozenset(value for known, value in self.marks if known == kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """`score`: 0 to 100, to put equals in order; `why`: half a sentence for people."""

    likeness: Likeness
    score: int
    why: str


def fold(text: str) -> str:
    """Without case, accents and odd spaces."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(char for char in decomposed if not "\u0300" <= char <= "\u036f")
    return " ".join(unicodedata.normalize("NFC", plain).split())


def fold_code(code: str) -> str:
    """A short name without its dashes and dots as well."""
    return "".join(char for char in fold(code) if char.isalnum())


def profile(name: str) -> Profile:
    """What is left of a name when case, accents, fillers and the order of words are put aside."""
    text = _ELISION.sub(" ", _ELSEWHERE.sub(lambda found: f"{found['before'] or ''} ", fold(name)))
    marks = {("hours", hours.lstrip("0")) for hours in _HOURS.findall(text)}
    marks |= {("mode", "away") for _ in _WITHIN.findall(text)}
    tokens = _TOKEN.findall(_HOURS.sub(" ", _WITHIN.sub(" ", text)))
    words, order = list[str](), list[str]()
    for place, token in enumerate(tokens):
        mark = _mark(token, first=place == 0, last=place == len(tokens) - 1)
        if mark is not None:
            marks.add(mark)
            order += [] if mark[0] in _ANYWHERE else [mark[1]]
        elif token not in _FILLERS:
            words.append(token)
            order.append(token)
        elif token in _LETTERS:
            order.append(token)
    return Profile(words=tuple(sorted(words)), marks=frozenset(marks), order=tuple(order))


def compare(one: Profile, other: Profile) -> Judgement | None:
    """How much two names are alike, whichever comes first; None if not enough to mention."""
    score = round(_similarity(one, other))
    if score < MAYBE_FROM:
        return None
    against = contradiction(one, other)
    if against:
        return Judgement(likeness=Likeness.MAYBE, score=score, why=f"similar name, but {against}")
    if one == other:
        likeness = Likeness.CERTAIN if one.words else Likeness.LIKELY
        return Judgement(likeness=likeness, score=100, why="same name")
    lacking = {kind for kind, _ in one.marks ^ other.marks}
    if score >= LIKELY_FROM and lacking <= _SOFT:
        same = "same words, not quite as they follow each other" if one.words == other.words else ""
        why = (
            f"same name, but only one says {_listed(lacking)}" if lacking else same or "nearly the same name"
        )
        return Judgement(likeness=Likeness.LIKELY, score=score, why=why)
    why = f"similar name, but only one says {_listed(lacking)}" if lacking else "similar name"
    return Judgement(likeness=Likeness.MAYBE, score=score, why=why)


def contradiction(one: Profile, other: Profile) -> str:
    """In what two names contradict each other, as in `B1 is not B2`; '' if in nothing."""
    for kind in sorted({kind for kind, _ in one.marks} & {kind for kind, _ in other.marks}):
        mine, theirs = one.said(kind), other.said(kind)
        if mine != theirs:
            return f"{_shown(kind, mine)} is not {_shown(kind, theirs)}"
    return ""


def judge(
    sku: str, codes: tuple[str, ...], number: str, names: Judgement | None, against: str
) -> Judgement | None:
    """The likeness by name, raised where the SKU equals one of a course's short names (`codes`) or its `number`.

    `names`: what `compare` says of the names; `against`: in what they contradict each other.
    """
    folded = fold(sku)
    by_code = bool(folded) and folded in {fold(code) for code in codes}
    if not folded or not (by_code or folded == fold(number)):
        return _by_similar_code(fold_code(sku), codes, names, against)
    why = f"the SKU is its {'short name' if by_code else 'number'}"
    if len(fold_code(sku)) < SHORT_CODE or (folded.isdigit() and len(folded) < SHORT_NUMBER):
        return _by_short_code(why, names, against)
    if against:
        return Judgement(likeness=Likeness.LIKELY, score=99, why=f"{why}, but {against}")
    return Judgement(likeness=Likeness.CERTAIN, score=100, why=why)


def _by_short_code(why: str, names: Judgement | None, against: str) -> Judgement:
    if names is None:
        return Judgement(likeness=Likeness.MAYBE, score=MAYBE_FROM, why=f"{why}, which may be chance")
    raised = Likeness.MAYBE if against else Likeness(min(names.likeness + 1, Likeness.CERTAIN))
    return Judgement(likeness=raised, score=names.score, why=f"{why}, {names.why}")


def _by_similar_code(
    plain: str, codes: tuple[str, ...], names: Judgement | None, against: str
) -> Judgement | None:
    """`PY101` and `py-101`: worth a look, but no proof."""
    if len(plain) < 4 or plain.isdigit() or plain not in {fold_code(code) for code in codes}:
        return names
    why = "the SKU is nearly its short name"
    if names is None:
        return Judgement(likeness=Likeness.MAYBE, score=MAYBE_FROM, why=why)
    if names.likeness is not Likeness.MAYBE:
        return names
    likeness = Likeness.MAYBE if against else Likeness.LIKELY
    return Judgement(likeness=likeness, score=names.score, why=f"{why}, {names.why}")


def _mark(token: str, *, first: bool, last: bool) -> tuple[str, str] | None:
    """What the word says that must not be blurred; None for a word like any other."""
    if token in _SAID:
        return _SAID[token]
    for kind, shape in _SHAPES:
        if shape.fullmatch(token):
            return kind, token.lstrip("0") or "0"
    if first:
        return None
    if token in _ROMAN and (last or len(token) > 1):
        return "number", _ROMAN[token]
    return ("letter", token) if last and token in _LETTERS else None


def _similarity(one: Profile, other: Profile) -> float:
    if not one.words or not other.words:
        return 100.0 if one == other and one.marks else 0.0
    if one.words == other.words:
        return 100.0
    mine, theirs = set(one.words), set(other.words)
    subset = mine <= theirs or theirs <= mine
    return max(fuzz.ratio(one.text, other.text), SUBSET * 100 if subset else 0.0)


def _shown(kind: str, values: frozenset[str]) -> str:
    text = "/".join(sorted(values))
    if kind == "hours":
        return f"{text} hours"
    return text.upper() if kind in {"grade", "letter"} else text


def _listed(kinds: set[str]) -> str:
    words = {
        "code": "a number",
        "number": "a number",
        "grade": "a level",
        "level": "a level",
        "letter": "a letter",
    }
    words |= {"year": "the year", "hours": "the hours", "mode": "how it is held"}
    return " and ".join(sorted({words[kind] for kind in kinds}))
