"""What was found in the last moment, and that it goes when the moment is over."""

from __future__ import annotations

from dicomweb.verdicts import HOLDS, Lately, Moment


def test_what_holds_no_longer_is_let_go_by_what_is_found_next() -> None:
    """A verdict has a whole series in it: a thousand that nobody could use any more were 260 MB."""
    weighed: list[str] = []
    found: Lately[str, str] = Lately(10, lambda one: weighed.append(one) or 1)
    for number in range(5):
        found.keep(f"old {number}", Moment(1, 100.0), f"old {number}")
    found.keep("new", Moment(1, 100.0 + HOLDS), "new")
    assert found.find("old 0", Moment(1, 100.0 + HOLDS)) == "old 0"
    weighed.clear()
    found.keep("newer", Moment(1, 100.1 + HOLDS), "newer")
    assert [one for one in weighed if one.startswith("old")] == [f"old {number}" for number in range(5)]
    assert found.find("old 0", Moment(1, 100.0 + HOLDS)) is None
    assert found.find("new", Moment(1, 100.1 + HOLDS)) == "new"


def test_what_is_heavier_than_all_is_not_kept() -> None:
    found: Lately[str, str] = Lately(10, len)
    found.keep("much", Moment(1, 1.0), "x" * 11)
    assert found.find("much", Moment(1, 1.0)) is None
    found.keep("little", Moment(1, 1.0), "x" * 10)
    assert found.find("little", Moment(1, 1.0)) == "x" * 10
