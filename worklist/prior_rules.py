"""Which earlier studies are fetched for a case: the rules of config/priors.toml, applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from worklist.routing_words import Phrases, fold

DAYS_OF_A_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Exam:
    """A study, as far as the rules look: `date` DICOM DA, unknown is empty or None."""

    study_uid: str
    date: str = ""
    description: str = ""
    modalities: tuple[str, ...] = ()
    body_parts: tuple[str, ...] = ()
    images: int | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A study that is not fetched, and why not."""

    exam: Exam
    why: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Which are fetched, the most like the case's own first, and which are not."""

    chosen: tuple[Exam, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True)
class PriorRules:
    """The rules in force."""

    most: int
    years: float
    most_images: int
    never_alone: frozenset[str]
    regions: Mapping[str, Phrases] = field(repr=False)
    kinds: Mapping[str, frozenset[str]]

    def choose(self, own: Sequence[Exam], shown: Iterable[Exam], today: date) -> Choice:
        """Decide about what an archive shows, for a case with these studies of its own. `today` if they say no date."""
        ours = {one.study_uid for one in own}
        newest = max((_day(one.date) or today for one in own), default=today)
        fitting: list[tuple[tuple[int, int, str], Exam]] = []
        left_out: list[LeftOut] = []
        for exam in shown:
            if exam.study_uid in ours:
                continue
            alike = self._alike(own, exam)
            if why := self._why_not(exam, newest):
                left_out.append(LeftOut(exam, why))
            elif alike is None:
                left_out.append(LeftOut(exam, _UNLIKE))
            else:
                fitting.append(((*alike, exam.date), exam))
        fitting.sort(key=lambda each: each[0], reverse=True)
        surplus = [LeftOut(exam, f"{self.most} others fit better") for _, exam in fitting[self.most :]]
        return Choice(tuple(exam for _, exam in fitting[: self.most]), (*surplus, *left_out))

    def _why_not(self, exam: Exam, newest: date) -> str:
        day = _day(exam.date)
        if day is not None and day > newest:
            return "later than the study of this case"
        if day is not None and (newest - day).days > self.years * DAYS_OF_A_YEAR:
            return f"more than {self.years:g} years before the study of this case"
        if exam.modalities and set(exam.modalities) <= self.never_alone:
            return f"nothing but {', '.join(exam.modalities)}"
        if exam.images is not None and exam.images > self.most_images:
            return f"{exam.images:,} images are more than {self.most_images:,}"
        return ""

    def _alike(self, own: Sequence[Exam], exam: Exam) -> tuple[int, int] | None:
        """Whether it shows the same region, and whether it is of the same kind; None for neither.

        An archive that says nothing of a study does not hide it.
        """
        regions, kinds = self._regions(exam), self._kinds(exam)
        same_region = any(regions & self._regions(each) for each in own)
        same_kind = any(kinds & self._kinds(each) for each in own)
        unknown = not regions and not exam.modalities
        return (int(same_region), int(same_kind)) if same_region or same_kind or unknown else None

    def _regions(self, exam: Exam) -> frozenset[str]:
        for texts in ((exam.description,), exam.body_parts):
            folded = [fold(each) for each in texts]
            found = {name for name, words in self.regions.items() if any(words.found(each) for each in folded)}
            if found:
                return frozenset(found)
        return frozenset()

    def _kinds(self, exam: Exam) -> frozenset[str]:
        shown = set(exam.modalities) - self.never_alone
        named = {name for name, codes in self.kinds.items() if codes & shown}
        grouped = {code for codes in self.kinds.values() for code in codes}
        return frozenset(named | (shown - grouped))


_UNLIKE = "neither the same region nor the same kind of examination"


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == len("20260101") else None
    except ValueError:
        return None
