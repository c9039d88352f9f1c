"""What routing knows of a study, and where each field of a rule looks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from worklist.routing_denial import Denial
from worklist.routing_words import fold


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """A study and its request, as far as rules may look: text is decoded, unknown is empty or None."""

    modalities: tuple[str, ...] = ()
    body_parts: tuple[str, ...] = ()
    study_description: str = ""
    series_descriptions: tuple[str, ...] = ()
    laterality: str = ""
    patient_age_years: float | None = None
    patient_sex: str = ""
    site: str = ""
    history: str = ""
    procedures: tuple[str, ...] = ()  # codes and meanings, where a study carries them


class Source(StrEnum):
    """One place where a fact stands, in the words in which a case tells of it."""

    MODALITY = "modality"
    STUDY_DESCRIPTION = "study description"
    PROCEDURE = "procedure"
    BODY_PART = "body part"
    SERIES_DESCRIPTION = "series description"
    HISTORY = "history"
    LATERALITY = "laterality"
    SEX = "sex"
    SITE = "site"
    AGE = "age"


class Scope(IntEnum):
    """How far a region is looked for, the most trustworthy place first."""

    ORDERED = 1  # what people ordered: study description and procedure
    SCANNED = 2  # and the body part, often a preset of the scanner
    ACQUIRED = 3  # and the names of the series, which mention much that was not asked for


REGION_SOURCES: Mapping[Scope, tuple[Source, ...]] = {
    Scope.ORDERED: (Source.STUDY_DESCRIPTION, Source.PROCEDURE),
    Scope.SCANNED: (Source.STUDY_DESCRIPTION, Source.PROCEDURE, Source.BODY_PART),
    Scope.ACQUIRED: (Source.STUDY_DESCRIPTION, Source.PROCEDURE, Source.BODY_PART, Source.SERIES_DESCRIPTION),
}


class Kind(StrEnum):
    """What a field of a rule holds."""

    WORDS = "list of words"
    EVERY = "list of words, all to be found"
    CODES = "list of codes"
    YEARS = "number of years"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a rule's `match` or `unless`."""

    name: str
    kind: Kind
    sources: tuple[Source, ...]  # empty: where REGION_SOURCES says
    meaning: str
    codes: frozenset[str] = frozenset()  # those allowed; empty: any


_MODALITIES = (  # PS3.3 C.7.3.1.1.1, with those retired
    "ANN AR ASMT AU BDUS BI BMD CD CF CFM CP CR CS CT CTPROTOCOL DD DF DG DM DMS DOC DS DX EC ECG EEG EMG EOG EPS ES "
    "FA FID FS GM HC HD IO IOL IVOCT IVUS KER KO LEN LP LS M3D MA MG MR MS NM OAM OCT OP OPM OPR OPT OPTBSV OPTENF OPV "
    "OSS OT PA PLAN PO POS PR PT PX REG RESP RF RG RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT "
    "RWV SEG SM SMR SR SRF ST STAIN TEXTUREMAP TG US VA VF VIDD XA XAPROTOCOL XC"
)
FIELDS: Mapping[str, Field] = {
    each.name: each
    for each in (
        Field(
            "modality",
            Kind.CODES,
            (Source.MODALITY,),
            "DICOM modality of any of its series",
            frozenset(_MODALITIES.split()),
        ),
        Field("region", Kind.WORDS, (), "study description or procedure; else body part; else series descriptions"),
        Field("every_region", Kind.EVERY, (), "as `region`, but each entry must be found"),
        Field("study_description", Kind.WORDS, (Source.STUDY_DESCRIPTION,), "study description"),
        Field("series_description", Kind.WORDS, (Source.SERIES_DESCRIPTION,), "description of any of its series"),
        Field("body_part", Kind.WORDS, (Source.BODY_PART,), "body part examined of any of its series"),
        Field("procedure", Kind.WORDS, (Source.PROCEDURE,), "code or meaning of the requested procedure"),
        Field("history", Kind.WORDS, (Source.HISTORY,), "reason, history and questions of the request"),
        Field("indication", Kind.WORDS, (Source.HISTORY, Source.STUDY_DESCRIPTION), "history or study description"),
        Field("laterality", Kind.CODES, (Source.LATERALITY,), "side: R, L, B (both), U (unpaired)", frozenset("RLBU")),
        Field("sex", Kind.CODES, (Source.SEX,), "patient's sex: F, M, O", frozenset("FMO")),
        Field("site", Kind.CODES, (Source.SITE,), "code of the sending site; `*` allowed"),
        Field("age_from", Kind.YEARS, (Source.AGE,), "patient's age is known and at least so many years"),
        Field("age_below", Kind.YEARS, (Source.AGE,), "patient's age is known and less than so many years"),
    )
}


@dataclass(frozen=True, slots=True)
class Text:
    """A fact as it was written, and its words."""

    raw: str
    folded: str
    denied: frozenset[int] = frozenset()  # where in `folded` the words begin that it denies


@dataclass(frozen=True, slots=True)
class Seen:
    """The facts of one study, made ready once for all rules; `scope` says how far regions are looked for."""

    texts: Mapping[Source, tuple[Text, ...]]
    age: float | None
    scope: Scope = Scope.ORDERED

    def sources(self, field: Field) -> tuple[Source, ...]:
        """Where this field looks now."""
        return field.sources or REGION_SOURCES[self.scope]


def see(facts: StudyFacts, denial: Denial) -> Seen:
    """Make the facts ready. Only a history can deny: "sans injection" in a study description is a procedure."""
    values: dict[Source, tuple[str, ...]] = {
        Source.MODALITY: facts.modalities,
        Source.STUDY_DESCRIPTION: (facts.study_description,),
        Source.PROCEDURE: facts.procedures,
        Source.BODY_PART: facts.body_parts,
        Source.SERIES_DESCRIPTION: facts.series_descriptions,
        Source.LATERALITY: (facts.laterality,),
        Source.SEX: (facts.patient_sex,),
        Source.SITE: (facts.site,),
    }
    texts = {source: tuple(Text(raw, fold(raw)) for raw in raws if raw.strip()) for source, raws in values.items()}
    if facts.history.strip():
        read = denial.read(facts.history)
        texts[Source.HISTORY] = (Text(facts.history, read.text, read.denied),)
    return Seen(texts, facts.patient_age_years)
