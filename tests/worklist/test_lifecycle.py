"""Who may do what to a case, when: the table, and the races that the database decides."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from worklist import cases, lifecycle
from worklist.access import Viewer
from worklist.lifecycle import STEPS, TRANSITIONS, Action, NotAllowed, Part, WrongState, possible
from worklist.models import AuditLine, Case, now
from worklist.states import CaseState, Role

S = CaseState
MOVES: dict[Action, Callable[..., None]] = {
    Action.SUBMIT: lifecycle.submit,
    Action.OPEN: lambda session, case, _: lifecycle.open_case(session, case),
    Action.REROUTE: lambda session, case, _: lifecycle.reroute(session, case, "why"),
    Action.CLAIM: lifecycle.claim,
    Action.RELEASE: lambda session, case, who: lifecycle.release(session, case, who, "why"),
    Action.HOLD: lambda session, case, who: lifecycle.hold(session, case, who, "why"),
    Action.RESUME: lifecycle.resume,
    Action.ASSIGN: lambda session, case, who: lifecycle.assign(session, case, who, "thoracic", "why"),
    Action.SIGN: lambda session, case, who: lifecycle.sign(session, case, who, now()),
    Action.DELIVER: lambda session, case, _: lifecycle.deliver(session, case),
    Action.WITHDRAW: lifecycle.withdraw,
    Action.CANCEL: lambda session, case, who: lifecycle.cancel(session, case, who, "why"),
}
ONE_ENGINE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_every_action_has_a_step_and_every_state_its_transitions() -> None:
    assert set(STEPS) == set(Action) == set(MOVES)
    assert set(TRANSITIONS) == set(CaseState)


def test_every_state_can_be_reached_from_the_beginnings_and_every_open_one_can_end() -> None:
    def reached(start: set[CaseState]) -> set[CaseState]:
        found, fresh = set(start), set(start)
        while fresh:
            fresh = {after for state in fresh for after in TRANSITIONS[state]} - found
            found |= fresh
        return found

    assert reached({S.DRAFT}) == set(CaseState)
    assert reached({S.AWAITING_IMAGES}) == set(CaseState) - {S.DRAFT}
    for state in set(CaseState) - {S.SIGNED, S.DELIVERED, S.CANCELLED}:
        assert {S.DELIVERED, S.CANCELLED} <= reached({state}), state
    assert TRANSITIONS[S.DELIVERED] == TRANSITIONS[S.CANCELLED] == frozenset()
    assert TRANSITIONS[S.SIGNED] == {S.DELIVERED}, "what was signed is never taken back"


def everybody(people) -> dict[Part | str, Viewer | None]:
    return {
        Part.SYSTEM: None,
        Part.OWNER: people.patient(),
        Part.SUBSPECIALIST: people.reader("neuroradiology"),
        Part.HOLDER: people.reader("neuroradiology"),
        Part.COORDINATOR: people.coordinator(),
        "another patient": people.patient(),
        "a reader of something else": people.reader("thoracic"),
        "somebody of a site": people.hospital(people.site()),
    }


def expected(action: Action, state: CaseState, part: Part | str) -> bool:
    step = STEPS[action]
    parts = {part, Part.SUBSPECIALIST} if part == Part.HOLDER else {part}
    return state in step.before and bool(step.by & parts)


@ONE_ENGINE
@pytest.mark.parametrize("action", Action)
def test_each_action_is_done_by_exactly_those_whom_the_table_names_in_exactly_its_states(
    action: Action, people, rows
) -> None:
    who = everybody(people)
    for state in CaseState:
        held = state in {S.CLAIMED, S.ON_HOLD, S.SIGNED, S.DELIVERED}
        for part, viewer in who.items():
            if (part is Part.SYSTEM) is not (Part.SYSTEM in STEPS[action].by):
                continue  # Overread itself calls nothing else, and nobody else can call these
            case_id = rows.case(
                state, patient_id=who[Part.OWNER].person_id, reader_id=who[Part.HOLDER].person_id if held else None
            )
            holder_without_case = part == Part.HOLDER and not held
            offered = part is not Part.SYSTEM and not holder_without_case and expected(action, state, part)
            with people.database.writing() as session:
                case = session.get_one(Case, case_id)
                if viewer is not None and not holder_without_case:
                    assert (action in possible(viewer, case)) is offered, (action, state, part)
                if holder_without_case or expected(action, state, part):
                    continue
                with pytest.raises((NotAllowed, WrongState)):
                    MOVES[action](session, case, viewer)
            assert rows.read(case_id).state is state, (action, state, part)
            with people.database.writing() as session:
                assert not session.query(AuditLine).filter_by(case_id=case_id).count()


@pytest.mark.parametrize(
    ("action", "state"), [(action, state) for action, step in STEPS.items() for state in sorted(step.before)]
)
@ONE_ENGINE
def test_what_the_table_allows_happens_and_is_in_the_audit_trail(action, state, people, rows) -> None:
    who = everybody(people)
    for part in STEPS[action].by:
        reader = None if state in {S.DRAFT, S.AWAITING_IMAGES, S.READY} else who[Part.HOLDER].person_id
        case_id = rows.case(state, patient_id=who[Part.OWNER].person_id, reader_id=reader)
        with people.database.writing() as session:
            case = session.get_one(Case, case_id)
            MOVES[action](session, case, who[part])
            assert case.state is STEPS[action].after
        with people.database.reading() as session:
            line = session.query(AuditLine).filter_by(case_id=case_id).one()
            assert line.action == action
            assert line.person_id == (who[part].person_id if who[part] else None)


def test_of_two_readers_who_claim_at_once_exactly_one_gets_the_case(people, rows, at_once) -> None:
    readers = [people.reader() for _ in range(4)]
    for _ in range(5):
        case_id = rows.case()

        def claim(who: Viewer, case_id: int = case_id) -> int:
            with people.database.writing() as session:
                lifecycle.claim(session, cases.get(session, who, case_id), who)
            return who.person_id

        outcomes = at_once(*(lambda who=who: claim(who) for who in readers))
        winners = [each for each in outcomes if isinstance(each, int)]
        losers = [each for each in outcomes if not isinstance(each, int)]
        assert len(winners) == 1
        assert all(isinstance(each, WrongState | lifecycle.NotFound) for each in losers), losers
        assert rows.read(case_id).reader_id == winners[0]


def test_of_two_readers_who_both_saw_the_case_free_exactly_one_gets_it(people, rows, at_once) -> None:
    first, second = people.reader(), people.reader()
    case_id = rows.case()
    with people.database.reading() as session:
        seen = [session.get_one(Case, case_id)]
    with people.database.reading() as session:
        seen.append(session.get_one(Case, case_id))

    def claim(who: Viewer, stale: Case) -> None:
        with people.database.writing() as session:
            lifecycle.claim(session, session.merge(stale, load=False), who)

    outcomes = at_once(lambda: claim(first, seen[0]), lambda: claim(second, seen[1]))
    assert sorted(type(each).__name__ for each in outcomes) == ["NoneType", "WrongState"]


def test_cancelling_and_signing_at_once_ends_in_one_of_both(people, rows, at_once) -> None:
    reader, coordinator = people.reader(), people.coordinator()
    case_id = rows.case(S.CLAIMED, reader_id=reader.person_id)

    def move(who: Viewer, act: Callable[..., None]) -> None:
        with people.database.writing() as session:
            act(session, session.get_one(Case, case_id), who)

    outcomes = at_once(lambda: move(reader, MOVES[Action.SIGN]), lambda: move(coordinator, MOVES[Action.CANCEL]))
    assert sorted(type(each).__name__ for each in outcomes) == ["NoneType", "WrongState"]
    assert rows.read(case_id).state is (S.SIGNED if outcomes[0] is None else S.CANCELLED)


def test_a_reader_who_lost_the_case_in_between_cannot_sign_it(people, rows) -> None:
    """The right is in the WHERE clause: what the session believed a moment ago does not count."""
    reader, other = people.reader(), people.reader()
    case_id = rows.case(S.CLAIMED, reader_id=reader.person_id)
    with people.database.reading() as session:
        stale = session.get_one(Case, case_id)
    with people.database.writing() as session:
        session.get_one(Case, case_id).reader_id = other.person_id
    with pytest.raises(WrongState), people.database.writing() as session:
        lifecycle.sign(session, session.merge(stale, load=False), reader, now())
    assert rows.read(case_id).state is S.CLAIMED


@ONE_ENGINE
def test_releasing_keeps_what_was_written_and_lets_another_reader_go_on(people, rows) -> None:
    first, second = people.reader(), people.reader()
    case_id = rows.case()
    with people.database.writing() as session:
        case = session.get_one(Case, case_id)
        lifecycle.claim(session, case, first)
        cases.save_draft(session, case, first, {"findings": "so far"})
        lifecycle.release(session, case, first, "end of shift")
        lifecycle.claim(session, case, second)
    case = rows.read(case_id)
    assert case.draft["findings"] == "so far"
    assert case.reader_id == second.person_id


@ONE_ENGINE
def test_a_coordinator_who_is_also_a_reader_has_the_rights_of_both(people, rows) -> None:
    both = people.person(Role.COORDINATOR, Role.READER, subspecialties=("neuroradiology",), dicom_name="A^B")
    case_id = rows.case()
    with people.database.writing() as session:
        case = session.get_one(Case, case_id)
        assert {Action.CLAIM, Action.ASSIGN, Action.CANCEL} <= possible(both, case)
        lifecycle.claim(session, case, both)
        assert {Action.SIGN, Action.RELEASE, Action.HOLD} <= possible(both, case)


@ONE_ENGINE
def test_a_coordinator_may_release_what_a_reader_holds_but_not_sign_or_hold_it(people, rows) -> None:
    reader, coordinator = people.reader(), people.coordinator()
    case_id = rows.case(S.CLAIMED, reader_id=reader.person_id)
    with people.database.writing() as session:
        case = session.get_one(Case, case_id)
        assert possible(coordinator, case) == {Action.RELEASE, Action.CANCEL}
        for act in (MOVES[Action.SIGN], MOVES[Action.HOLD]):
            with pytest.raises(NotAllowed):
                act(session, case, coordinator)


def test_every_refusal_of_a_move_is_a_plain_sentence() -> None:
    """It once was: This case is CLAIMED; it cannot be changed by “claim” now."""
    assert (set(lifecycle.IS), set(lifecycle.DONE)) == (set(CaseState), set(Action))
    said = str(lifecycle._wrong_state(Case(state=CaseState.CLAIMED), Action.CLAIM))
    assert said == "This case is being read, so it cannot be claimed now."
    for state in CaseState:
        for action in Action:
            assert not re.search(r"[A-Z_]{2,}", str(lifecycle._wrong_state(Case(state=state), action)))
