"""Studies as the pages show them, with their images counted by the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gateway.portal.words import age, counted, dicom_date, person_name, sex
from sr_reports.wording import MODALITIES
from worklist.models import Case, Instance, Series, Study

VIEWER = "/ohif/viewer"
COMPARE = "@overread/compare"  # the hanging protocol of config/ohif.js
FUSION = "/ohif/tmtv"  # OHIF's mode for PET: CT, PET, both over each other, projection


@dataclass(frozen=True, slots=True)
class SeriesView:
    """One series. `modality` is the DICOM code; `kind` says it for people outside radiology."""

    number: str
    modality: str
    kind: str
    description: str
    body_part: str
    images: int


@dataclass(frozen=True, slots=True)
class StudyView:
    """One study without the reports that we wrote into it."""

    id: int
    study_uid: str
    description: str
    date: str
    modalities: tuple[str, ...]
    accession: str
    referring: str
    series: tuple[SeriesView, ...]

    @property
    def images(self) -> int:
        """All images of the study."""
        return sum(each.images for each in self.series)

    @property
    def title(self) -> str:
        """What was examined, as far as anybody said."""
        kinds = " and ".join(dict.fromkeys(each.kind for each in self.series if each.kind))
        return self.description or kinds or "Study without a description"

    @property
    def amount(self) -> str:
        """2 series, 340 images."""
        return f"{counted(len(self.series), 'series', 'series')}, {counted(self.images, 'image')}"


@dataclass(frozen=True, slots=True)
class PatientView:
    """Who is on the images, as the newest study says."""

    name: str
    age: str
    sex: str
    born: str
    number: str

    @property
    def person(self) -> str:
        """52 years at the examination, female."""
        return ", ".join(part for part in (self.age, self.sex) if part)


NOBODY = PatientView("No images yet", "", "", "", "")
Counts = Mapping[int, int]


def count_images(session: Session, cases: Iterable[Case]) -> Counts:
    """How many images each series of these cases has, in one query."""
    studies = {study.id for case in cases for study in case.studies}
    query = select(Instance.series_id, func.count()).where(Instance.study_id.in_(studies)).group_by(Instance.series_id)
    return {series_id: count for series_id, count in session.execute(query)}


def study_views(case: Case, counts: Counts) -> tuple[StudyView, ...]:
    """The studies of a case, the newest first."""
    newest_first = sorted(case.studies, key=lambda study: (study.study_date, study.id), reverse=True)
    return tuple(_study_view(study, counts) for study in newest_first)


def _study_view(study: Study, counts: Counts) -> StudyView:
    series = tuple(_series_view(each, counts) for each in study.series if not each.ours)
    return StudyView(
        id=study.id,
        study_uid=study.study_uid,
        description=study.description,
        date=dicom_date(study.study_date),
        modalities=tuple(dict.fromkeys(each.modality for each in series if each.modality)),
        accession=study.accession,
        referring=person_name(study.referring) if study.referring else "",
        series=series,
    )


def _series_view(series: Series, counts: Counts) -> SeriesView:
    return SeriesView(
        number="" if series.number is None else str(series.number),
        modality=series.modality,
        kind=MODALITIES.get(series.modality, series.modality),
        description=series.description,
        body_part=series.body_part.capitalize(),
        images=counts.get(series.id, 0),
    )


def patient_view(case: Case) -> PatientView:
    """Who the patient is: what the images say, which may be nobody as yet."""
    if not case.studies:
        return NOBODY
    study = case.studies[-1]
    number = f"{study.patient_id} ({study.issuer})" if study.issuer else study.patient_id
    born = dicom_date(study.birth_date)
    return PatientView(person_name(study.patient_name), age(study), sex(study.sex), born, number)


def viewer_link(case_id: int, studies: Sequence[StudyView], prior_uid: str = "") -> str:
    """Where OHIF opens all studies of a case, and nothing but what belongs to it; "" when there is nothing to open.

    The newest study stands first; with another one, be it a prior (docs/adr/0015), two are shown beside each other.
    """
    uids = [study.study_uid for study in studies if study.images]
    if len(uids) == 1 and prior_uid:
        uids.append(prior_uid)
    compared = [("hangingprotocolId", COMPARE)] if len(uids) > 1 else []
    named = [("StudyInstanceUIDs", uid) for uid in uids]
    return f"{VIEWER}?{urlencode([*named, *compared, ('case', case_id)])}" if uids else ""


def fusion_link(case_id: int, studies: Sequence[StudyView]) -> str:
    """Where OHIF lays PET over CT, for the newest study that has both; "" where none has."""
    both = (study for study in studies if {"PT", "CT"} <= set(study.modalities))
    found = next(both, None)
    return f"{FUSION}?{urlencode([('StudyInstanceUIDs', found.study_uid), ('case', case_id)])}" if found else ""
