"""What a world's shop and LMS hold, compared with what was paid for: their own count, not the ledger's."""

from tests.system.world import World


def count(world: World) -> tuple[int, int]:
    """Seats paid for that nobody has or that nobody paid for, and accounts, enrolling calls, mails and notes beyond one
    each."""
    lost = len(world.expected() ^ world.moodle.active_enrolments())
    doubled = sum(
        max(len(world.moodle.accounts(email)) - 1, 0) for email in {email for email, _ in world.paid}
    )
    doubled += sum(len(row.history) - 1 for row in world.moodle.enrolments)
    doubled += sum(times - 1 for times in world.moodle.mails.values())
    for notes in world.shop.notes.values():
        doubled += max(sum("(wcsync" in note["note"] for note in notes) - 1, 0)
    return lost, doubled
