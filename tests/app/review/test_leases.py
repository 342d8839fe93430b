from __future__ import annotations

from pipeline.app.review.leases import LEASE_S, Leases


def test_the_first_reader_holds_a_case_until_they_leave_or_are_silent() -> None:
    now = [0.0]
    leases = Leases(lambda: now[0])
    assert leases.holder("a") is None
    assert leases.take("a", "One", session="s1").session == "s1"
    assert leases.take("a", "Two", session="s2").reader == "One"
    assert leases.take("b", "Two", session="s2").session == "s2"
    now[0] = LEASE_S - 1
    leases.take("a", "One", session="s1")
    now[0] = LEASE_S + 1
    assert leases.take("a", "Two", session="s2").reader == "One"
    leases.leave("a", "s2")
    assert leases.take("a", "Two", session="s2").reader == "One"
    leases.leave("a", "s1")
    assert leases.take("a", "Two", session="s2").session == "s2"
    now[0] += LEASE_S + 1
    assert leases.holder("a") is None


def test_a_reader_may_take_a_case_from_their_own_page_alone() -> None:
    leases = Leases()
    leases.take("a", "One", session="s1")
    assert leases.take("a", "One", session="s2").session == "s1"
    assert leases.take("a", "Two", session="s2", take_over=True).session == "s1"
    assert leases.take("a", "One", session="s2", take_over=True).session == "s2"
