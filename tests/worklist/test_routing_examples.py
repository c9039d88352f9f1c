"""Descriptions as hospitals write them go to the subspecialty that a radiologist would send them to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from worklist.routing import Routing, StudyFacts, load_rules
from worklist.routing_words import fold
from worklist.subspecialties import Subspecialty

RULES = Path(__file__).parents[2] / "config" / "routing.toml"
EXAMPLES = Path(__file__).with_name("routing_examples.txt")
DENIED = Path(__file__).with_name("denied_examples.txt")

BODY_PARTS = {  # defined terms of PS3.16 annex L
    Subspecialty.NEURORADIOLOGY: """
        BRAIN CAROTID CEREBELLUM CIRCLEOFWILLIS CSPINE CTSPINE HEAD LSPINE LSSPINE SCALP SELLA SKULL
        SPINE SSPINE TLSPINE TSPINE
    """,
    Subspecialty.HEAD_AND_NECK: """
        CHEEK CORNEA EAR EYE EYELID FACE HEADNECK IAC JAW LARYNX MASTOID MAXILLA MOUTH NASOPHARYNX
        NECK NOSE OPTICCANAL ORBIT PAROTID PHARYNX SCLERA SINUS SUBMANDIBULAR THYROID TMJ TONGUE
        ZYGOMA
    """,
    Subspecialty.BREAST: """
        AXILLA BREAST
    """,
    Subspecialty.THORACIC: """
        BRONCHUS CHEST LUNG MEDIASTINUM NECKCHEST THYMUS TRACHEA
    """,
    Subspecialty.CARDIAC: """
        ABDOMINALAORTA AORTA CORONARYARTERY HEART
    """,
    Subspecialty.ABDOMINAL: """
        ABDOMEN ABDOMENPELVIS ADRENAL BLADDER CERVIX CHESTABDOMEN CHESTABDPELVIS COLON DUODENUM
        ESOPHAGUS GALLBLADDER ILEUM JEJUNUM KIDNEY LIVER NECKCHESTABDOMEN NECKCHESTABDPELV OVARY
        PANCREAS PELVIS PENIS PROSTATE RECTUM SCROTUM SPLEEN STOMACH TESTIS URETER URETHRA UTERUS
        VAGINA VULVA
    """,
    Subspecialty.MUSCULOSKELETAL: """
        ACJOINT ANKLE ARM BACK BUTTOCK CALCANEUS CALF CLAVICLE COCCYX ELBOW EXTREMITY FEMUR FINGER
        FOOT FOREARM HAND HIP HUMERUS ILIUM KNEE LEG PATELLA RADIUS RADIUSULNA RIB SCAPULA SHOULDER
        SIJOINT STERNUM THIGH THUMB TIBIA TIBIAFIBULA TOE ULNA WRIST
    """,
}


@pytest.fixture(scope="module")
def routing() -> Routing:
    return load_rules(RULES)


def examples() -> Iterator[tuple[Subspecialty, StudyFacts]]:
    for line in EXAMPLES.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            expected, modalities, body_parts, study, series, age, history = (part.strip() for part in line.split("|"))
            yield (
                Subspecialty(expected),
                StudyFacts(
                    modalities=_listed(modalities),
                    body_parts=_listed(body_parts),
                    study_description=study,
                    series_descriptions=_listed(series),
                    patient_age_years=float(age) if age else None,
                    history=history,
                ),
            )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _name(facts: StudyFacts) -> str:
    said = (*facts.modalities, *facts.body_parts, facts.study_description, *facts.series_descriptions, facts.history)
    return " ".join(part for part in said if part)


@pytest.mark.parametrize(("expected", "facts"), [pytest.param(*each, id=_name(each[1])) for each in examples()])
def test_a_study_goes_to_its_subspecialist(routing: Routing, expected: Subspecialty, facts: StudyFacts) -> None:
    routed = routing.route(facts)
    assert routed.subspecialty == expected, routed.why


def test_the_examples_reach_every_subspecialty_and_every_rule(routing: Routing) -> None:
    reached = [routing.route(facts) for _, facts in examples()]
    assert len(reached) >= 120
    assert {each.subspecialty for each in reached} == set(Subspecialty)
    named = {each.name for each in routing.rules.rules} | {routing.rules.fallback.name}
    assert named - {each.rule for each in reached} == set()


@pytest.mark.parametrize(
    ("expected", "term"), [(field, term) for field, terms in BODY_PARTS.items() for term in terms.split()]
)
def test_a_body_part_alone_is_enough(routing: Routing, expected: Subspecialty, term: str) -> None:
    routed = routing.route(StudyFacts(modalities=("CT",), body_parts=(term,), patient_age_years=50))
    assert routed.subspecialty == expected, routed.why


@pytest.mark.parametrize(
    ("history", "priority", "hours"),
    [
        ("Lower back pain for years", "routine", 48),
        ("Incontinence since this morning, cauda equina?", "stat", 4),
        ("V.a. Querschnittssyndrom", "stat", 4),
        ("suspicion de compression médullaire", "stat", 4),
        ("Spondylodiscitis with epidural abscess", "urgent", 12),
        ("Bitte dringend, OP morgen", "urgent", 24),
    ],
)
def test_urgency_comes_from_the_history(routing: Routing, history: str, priority: str, hours: float) -> None:
    routed = routing.route(StudyFacts(("MR",), ("LSPINE",), "MRI LUMBAR SPINE", history=history))
    assert (routed.rule, routed.priority, routed.turnaround_hours) == ("Spine", priority, hours)


def test_urgency_never_makes_a_case_less_pressing(routing: Routing) -> None:
    facts = StudyFacts(("CT",), (), "CT Polytrauma", history="dringend")
    routed = routing.route(facts)
    assert (routed.priority, routed.turnaround_hours) == ("urgent", 8)


def test_every_word_list_of_the_shipped_rules_is_used(routing: Routing) -> None:
    text = RULES.read_text(encoding="utf-8")
    assert [name for name, _ in routing.rules.words if f'"@{name}"' not in text] == []


def denied_examples() -> Iterator[tuple[str, str]]:
    for line in DENIED.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            priority, history = line.split(" | ")
            yield priority, history.replace("\\n", "\n")


@pytest.mark.parametrize(("priority", "history"), list(denied_examples()))
def test_what_a_history_denies_makes_nothing_pressing_and_in_doubt_it_does(
    routing: Routing, priority: str, history: str
) -> None:
    """ "No cord compression" was once a case for the next four hours."""
    routed = routing.route(StudyFacts(("MR",), ("LSPINE",), "MRI LUMBAR SPINE", history=history))
    assert routed.priority == priority, routed.why


def test_reading_a_history_for_denials_finds_the_same_words_as_without(routing: Routing) -> None:
    for _, history in denied_examples():
        assert routing.rules.denial.read(history).text == fold(history)


def test_a_study_description_denies_nothing(routing: Routing) -> None:
    facts = StudyFacts(("MR",), (), "IRM SANS INJECTION tumour staging", patient_age_years=50)
    assert routing.route(facts).subspecialty == Subspecialty.ONCOLOGIC
