"""The subspecialties that a case can go to: the one list that rules, worklists and reports share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Subspecialty(StrEnum):
    """What a reader is trained in. The values are stored in cases and written in routing.toml: they never change."""

    NEURORADIOLOGY = "neuroradiology"
    HEAD_AND_NECK = "head_and_neck"
    BREAST = "breast"
    THORACIC = "thoracic"
    CARDIAC = "cardiac"
    ABDOMINAL = "abdominal"
    MUSCULOSKELETAL = "musculoskeletal"
    PAEDIATRIC = "paediatric"
    NUCLEAR = "nuclear"
    ONCOLOGIC = "oncologic"
    UNASSIGNED = "unassigned"


@dataclass(frozen=True, slots=True)
class Described:
    """A subspecialty in the words of people."""

    label: str
    covers: str


SUBSPECIALTIES: Mapping[Subspecialty, Described] = {
    Subspecialty.NEURORADIOLOGY: Described("Neuroradiology", "Brain, skull, spine, and the vessels of head and neck."),
    Subspecialty.HEAD_AND_NECK: Described(
        "Head and neck", "Temporal bone, orbit, sinuses, jaw and teeth, soft tissues of the neck, thyroid."
    ),
    Subspecialty.BREAST: Described("Breast", "Mammography, ultrasound and MR of the breast and the axilla."),
    Subspecialty.THORACIC: Described("Thoracic", "Lungs, pleura, mediastinum and the chest radiograph."),
    Subspecialty.CARDIAC: Described(
        "Cardiac and vascular", "Heart, coronary arteries, aorta and the vessels of the limbs."
    ),
    Subspecialty.ABDOMINAL: Described(
        "Abdominal", "Abdomen and pelvis: digestive, urinary and reproductive organs, the prostate among them."
    ),
    Subspecialty.MUSCULOSKELETAL: Described(
        "Musculoskeletal", "Bones, joints and soft tissues of the limbs; radiographs of spine and pelvis."
    ),
    Subspecialty.PAEDIATRIC: Described("Paediatric", "Children, whatever the region, and the unborn."),
    Subspecialty.NUCLEAR: Described("Nuclear medicine and PET", "PET, PET/CT, PET/MR, SPECT and scintigraphy."),
    Subspecialty.ONCOLOGIC: Described(
        "Oncologic", "Staging and follow-up of a tumour over more than one organ, and whole-body MR."
    ),
    Subspecialty.UNASSIGNED: Described("Unassigned", "No rule fits: a coordinator decides."),
}


def label(value: str) -> str:
    """How a stored subspecialty is shown; what is not in the list is shown as it is."""
    return SUBSPECIALTIES[Subspecialty(value)].label if value in set(Subspecialty) else value
