"""The demo's proof: `wcsync reconcile --lms all` between the sandbox shop and its LMSs, beside the shop's own books."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from wcsync import screen
from wcsync.app import App
from wcsync.demo.stage import Stage
from wcsync.errors import ServiceBlocked, TransientError
from wcsync.pollers.reconcile import Depth
from wcsync.reckoning import Reckoning, describe, render_proof

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
SOON = timedelta(days=1)
MANY = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """`to_confirm`: learners whom an LMS lets in in its own time, whom the daemon looks up by itself and so the proof
    does not."""

    reckoning: Reckoning
    to_confirm: int


def prove(app: App) -> Proven | None:
    """Leaves it to `status` as the command does. None if it could not be brought to an end."""
    reconciler = app.reconciler()
    with suppress(TransientError, ServiceBlocked):
        reckoning = reconciler.run(reconciler.window(LONG_AGO), Depth.ALL)
        soon = app.clock() + SOON
        to_confirm = sum(len(app.ledger.read_unconfirmed(name, soon, MANY)) for name in app.lmss)
        app.ledger.proof.record_worked(
            reckoning.counts(), reckoning.suspects(), reckoning.began_at, reckoning.ended_at, nightly=False
        )
        return Proven(reckoning=reckoning, to_confirm=to_confirm)
    return None


def judge_proof(stage: Stage, proven: Proven | None) -> dict[str, Any]:
    """The proof as `wcsync reconcile --json` says it, and whether the shop has as many paid lines and the LMSs as many
    learners by their own state."""
    held = {"shop_paid_lines": len(stage.sales()), "lms_learners": len(stage.actual())}
    if proven is None:
        return held | {"agree": False}
    reckoning, counts = proven.reckoning, proven.reckoning.counts()
    looks = reckoning.looks
    undone = counts["unexplained"] + counts["dead"] + counts["due"]
    not_found = sum(look.missing + look.unsure for look in looks)
    found = sum(look.looked for look in looks) + proven.to_confirm
    return (
        describe(reckoning)
        | held
        | {
            "to_confirm": proven.to_confirm,
            "agree": (reckoning.paid_lines, found) == tuple(held.values()) and not (undone or not_found),
        }
    )


def print_proof(judged: dict[str, Any]) -> None:
    """The last line is the proof's own."""
    if "paid_lines" not in judged:
        click.echo("\nTHE PROOF COULD NOT BE BROUGHT TO ITS END.")
        return
    looked, missing = (sum(look[part] for look in judged["lms"]) for part in ("looked", "missing"))
    click.echo(
        f"\nThe proof, as by `wcsync reconcile --lms all`: of {judged['shop_paid_lines']} paid lines in the shop's own "
        f"books it found {judged['paid_lines']} and lost track of {judged['unexplained']}. Of "
        f"{judged['lms_learners']} learners it looked up {looked} in their LMS, and missed {missing}; "
        f"{judged['to_confirm']} more were invited moments ago, and the daemon itself looks after them."
    )
    for finding in judged["findings"]:
        screen.say(f"  {finding['message']}")
    click.echo("It holds: no paid line is lost.\n" if judged["agree"] else "IT DOES NOT HOLD.\n")
    for line in render_proof(judged):
        click.echo(line)
