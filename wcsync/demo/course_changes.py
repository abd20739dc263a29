"""What authors and people in the shop change while the demo's shoppers shop, and how it reaches the products."""

import time
from contextlib import suppress
from dataclasses import dataclass

from wcsync.app import App
from wcsync.app.mirror import CourseMirror
from wcsync.demo.curriculum import add_module, add_step, rewrite_course
from wcsync.demo.shoppers import Say
from wcsync.demo.stage import Stage
from wcsync.ledger.lock import AlreadyRunning
from wcsync.mappers.courses.plan import Verdict
from wcsync.pollers.courses import Options
from wcsync.sandbox.faults import Fault

BEGIN_PATIENCE_S, END_PATIENCE_S = 30.0, 30.0
BATCH = "/products/batch"

EDITED_SKU = "FR-SEC"
EDITED = "<p>Écrit par nous : <em>la sécurité</em>, c'est l'affaire de tous.</p>"
"""What a person puts in place of a description that wcsync wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirroring:
    """The demo's course mirror: the daemon's own at its start, then runs as by `wcsync courses push` beside it."""

    stage: Stage
    app: App
    mirror: CourseMirror
    say: Say

    @classmethod
    def of(cls, stage: Stage, app: App, say: Say) -> "Mirroring":
        return cls(stage=stage, app=app, mirror=app.courses(lambda: app.mapping.current), say=say)

    def wait_for_first(self) -> None:
        """Until the daemon has carried over all course data for the first time, or patience runs out."""
        deadline = time.monotonic() + BEGIN_PATIENCE_S
        while self.app.ledger.mirror.read_runs().last_run is None and time.monotonic() < deadline:
            if self.app.stop.wait(0.05):
                return

    def between(self, number: int) -> None:
        """Before the first order the LMSs and the shop change, before the second it is carried over."""
        if number == 0:
            self._change()
        elif number == 1:
            self._push_in_bad_luck()

    def finish(self) -> bool:
        """Runs until there is nothing to be done and nothing open. False if patience ran out."""
        deadline = time.monotonic() + END_PATIENCE_S
        while time.monotonic() < deadline and not self.app.stop.is_set():
            if self._is_quiet():
                return True
            self._push(Options())
            self.app.stop.wait(0.2)
        return False

    def run_once_more(self) -> int:
        """How many writes to products the shop counts meanwhile. Nothing kept from before is relied on."""
        before = self.writes()
        self._push(Options(full=True))
        return self.writes() - before

    def writes(self) -> int:
        requests = list(self.stage.shop.requests)
        return sum(one.method != "GET" and "/wc/v3/products" in one.path for one in requests)

    def _change(self) -> None:
        stage = self.stage
        self.say("In Moodle a course gets another name, a module and a skill; another one gets a module.")
        rewrite_course(stage.moodle, int(stage.courses["PY-101"][1]))
        add_module(stage.moodle, int(stage.courses[EDITED_SKU][1]))
        self.say("In 360Learning a path gets another step.")
        add_step(stage.academy, stage.paths[stage.courses["MGT-1"][1]])
        self.say("In the shop a person rewrites the description of a product.")
        stage.shop.edit_product(stage.products[EDITED_SKU], description=EDITED)

    def _push_in_bad_luck(self) -> None:
        self.say(
            "Bad luck: half-way through a batch of products the shop dies; at the next one its answer gets lost."
        )
        self.stage.shop.faults.add(Fault(kind="halfway", match=BATCH, items=2))
        self.stage.shop.faults.add(Fault(kind="reset_after", match=BATCH))
        self._push(Options())

    def _push(self, options: Options) -> None:
        with suppress(AlreadyRunning):  # the daemon does it just now
            self.mirror.run(options)

    def _is_quiet(self) -> bool:
        outlook = self.mirror.look(Options())
        decisions = (decision for one in outlook.judged for decision in one.plan.decisions)
        waits = any(decision.verdict is Verdict.WAITS for decision in decisions)
        return not (outlook.changes or outlook.halts or waits)
