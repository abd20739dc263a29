"""Who gets which seat of a line. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from wcsync.mappers.addresses import is_unwanted, normalise_address, usable_address
from wcsync.model import NOBODY, Identify, LearnerKey, Line, Order, Person
from wcsync.sale import SeatRule

MOST_SEATS = 1_000
"""A line with more is a slip of the finger, or a matter for a contract."""

Seats = Mapping[int, LearnerKey]
"""Who has which seat of a line, by its number; NOBODY = it is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimants:
    """Who is to have seats of a line: `learners` in turn, each once.

    `bad`: so many were named without an address that could be used, whoever was erased here not counted; `unwanted`:
    these get none by the config. `by_name`: the order names them, or tries to; else it is the buyer or nobody.
    """

    learners: tuple[LearnerKey, ...] = ()
    bad: int = 0
    unwanted: tuple[LearnerKey, ...] = ()
    by_name: bool = False


def learners_of(order: Order) -> tuple[Person, ...]:
    """Everybody whom the order names: those its lines name, those it names as a whole, its buyer; each once, with what
    the first of them says of a name or field."""
    people: dict[str, Person] = {}
    for person in (*_named_by_lines(order), *order.learners, order.buyer):
        if person.email:
            key = normalise_address(person.email)
            people[key] = _completed(people[key], person) if key in people else person
    return tuple(people.values())


def named_for(line: Line, order: Order) -> tuple[Person, ...]:
    """Whom the line names; the order's own count for lines that name nobody."""
    return line.learners or order.learners


def goes_to_buyer(line: Line, order: Order, rule: SeatRule) -> bool:
    """Whether the buyer is the one learner that is known of a line."""
    return not named_for(line, order) and (rule is SeatRule.BUYER_ONCE or line.quantity < 2)


def claimants_of(
    line: Line,
    order: Order,
    rule: SeatRule,
    identify: Identify,
    never: frozenset[str],
    barred: Collection[LearnerKey] = (),
) -> Claimants:
    """Who is to have the seats of a line when it is sold by that rule. `barred`: who is not wanted under any address
    that stands for them."""
    if rule is SeatRule.HOLD and line.quantity >= 2:
        return Claimants()
    named = named_for(line, order)
    people = named or ((order.buyer,) if goes_to_buyer(line, order, rule) else ())
    usable = [person for person in people if usable_address(person.email)]
    unwanted = [
        person for person in usable if is_unwanted(person.email, never) or identify(person.email) in barred
    ]
    wanted = [person for person in usable if person not in unwanted]
    return Claimants(
        learners=tuple(dict.fromkeys(identify(person.email) for person in wanted)),
        bad=sum(not (usable_address(person.email) or (named and person.erased)) for person in people),
        unwanted=tuple(dict.fromkeys(identify(person.email) for person in unwanted)),
        by_name=bool(named),
    )


def give_seats(
    seats: Seats, free: Iterable[int], learners: Iterable[LearnerKey]
) -> tuple[dict[int, LearnerKey], list[LearnerKey]]:
    """Gives the `free` seats, in turn, to learners who have none of this line. Returns who then has which seat, and
    for whom none was left."""
    taken = set(seats.values())
    waiting = [key for key in learners if key not in taken]
    given = dict(zip(free, waiting, strict=False))
    return {**seats, **given}, waiting[len(given) :]


def seat_once(seats: Seats, live: Collection[int]) -> dict[int, LearnerKey]:
    """The same with one seat for each learner: two that turned out to be one leave the other open. The first stays
    theirs, a live one before one that has ended, which lets nobody in."""
    taken: set[LearnerKey] = set()
    once: dict[int, LearnerKey] = {}
    for number in sorted(seats, key=lambda number: (number not in live, number)):
        once[number] = NOBODY if seats[number] in taken else seats[number]
        taken.add(seats[number])
    return once


def stand_ins(
    aliases: Sequence[tuple[LearnerKey | str, LearnerKey | str]],
) -> Callable[[LearnerKey], LearnerKey]:
    """Whom a learner stands for, chains followed. A later word counts before an earlier: who is new in one stands for
    nobody any more, so that no chain runs in a circle."""
    stands_for: dict[str, str] = {}
    for old, new in aliases:
        stands_for.pop(new, None)
        if old != new:
            stands_for[old] = new

    def find(key: LearnerKey) -> LearnerKey:
        while key in stands_for:
            key = LearnerKey(stands_for[key])
        return key

    return find


def _named_by_lines(order: Order) -> Iterable[Person]:
    return (person for line in order.lines for person in line.learners)


def _completed(first: Person, other: Person) -> Person:
    return Person(
        email=first.email,
        first_name=first.first_name or other.first_name,
        last_name=first.last_name or other.last_name,
        fields=tuple(sorted({**dict(other.fields), **dict(first.fields)}.items())),
    )
