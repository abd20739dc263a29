"""The tables and the line that `make prove` ends with."""

from types import SimpleNamespace

from tests.proofs import Finding, Proof, findings_of, render

HELD = Finding(table="kills", what="the daemon", trials=200, figures={"orders": 800})
BROKEN = Finding(table="soak", what="polls", trials=3, lost=1, doubled=2, leaked=4)


def test_the_last_line_sums_up_what_all_proofs_counted() -> None:
    assert render([HELD, BROKEN], 0).splitlines()[-1] == "lost=1 doubled=2 leaked=4 trials=203"


def test_a_run_with_broken_proofs_says_so_at_the_end() -> None:
    assert render([HELD], 2).endswith("lost=0 doubled=0 leaked=0 trials=200 failed=2")


def test_each_kind_of_proof_has_its_table() -> None:
    text = render([HELD, BROKEN], 0)
    assert [line.split()[0] for line in text.splitlines() if "trials " in line] == ["kills", "soak"]
    assert "orders=800" in text


def test_what_a_proof_tells_comes_back_whole() -> None:
    report = SimpleNamespace(when="call", user_properties=[])
    told = Proof(report.user_properties).tell("soak", "polls", trials=2, lost=1, drift_mb=0.5)
    assert list(findings_of([report])) == [told]
