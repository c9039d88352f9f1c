"""Whether the studies of one case may be of different people: a patient easily brings a relative's CD along."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from gateway.portal.words import dicom_date, person_name
from worklist.models import Case, Study
from worklist.names import same_name


@dataclass(frozen=True, slots=True)
class Doubt:
    """Whom the images name. Not `grave`: only the numbers differ, as they do between two hospitals."""

    people: tuple[str, ...]
    grave: bool


def doubt_of(case: Case) -> Doubt | None:
    """What differs in name, birth date or Patient ID; what a study does not say differs from nothing."""
    names = [study.patient_name for study in case.studies if study.patient_name]
    births = {study.birth_date for study in case.studies} - {""}
    numbers = {(study.patient_id, study.issuer) for study in case.studies if study.patient_id}
    grave = not all(same_name(*two) for two in combinations(names, 2)) or len(births) > 1
    if not grave and len(numbers) < 2:
        return None
    return Doubt(tuple(dict.fromkeys(_person(study) for study in case.studies)), grave)


def _person(study: Study) -> str:
    born = f"born {dicom_date(study.birth_date)}" if study.birth_date else ""
    number = f"ID {study.patient_id}" if study.patient_id else ""
    return ", ".join(part for part in (person_name(study.patient_name), born, number) if part)
