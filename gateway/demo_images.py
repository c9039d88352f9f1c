"""Synthetic images of each kind: a CT plane, an MR plane, a radiograph of the chest, each complete for its IOD."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from gateway.demo_datasets import Names, Series, Visit, coded, instance, paint, place, windows
from gateway.phantom_chest import FIELD, chest_radiograph
from gateway.phantom_fields import Plane
from gateway.phantom_head import Tissue, Values

CT_FIELD, MR_FIELD = 250.0, 240.0
HOUNSFIELD: Values = {
    Tissue.AIR: -1000,
    Tissue.SKIN: 45,
    Tissue.FAT: -90,
    Tissue.MUSCLE: 55,
    Tissue.CORTICAL: 1250,
    Tissue.MARROW: 550,
    Tissue.CSF: 6,
    Tissue.GREY: 38,
    Tissue.WHITE: 29,
    Tissue.BLOOD: 68,
    Tissue.OEDEMA: 18,
    Tissue.VITREOUS: 8,
}
CT_WINDOWS = (("BRAIN", 40, 80), ("SUBDURAL", 75, 215), ("BONE", 600, 2800))


@dataclass(frozen=True, slots=True)
class Contrast:
    """One way of weighting an MR image: its times in milliseconds and how bright each tissue is."""

    echo_time: float
    repetition_time: float
    sequence: str
    variant: str
    echo_train: int
    values: Values
    window: tuple[float, float]


T1 = Contrast(
    9.2,
    520,
    "SE",
    "SP",
    1,
    {
        Tissue.AIR: 5,
        Tissue.SKIN: 380,
        Tissue.FAT: 950,
        Tissue.MUSCLE: 350,
        Tissue.CORTICAL: 40,
        Tissue.MARROW: 600,
        Tissue.CSF: 130,
        Tissue.GREY: 430,
        Tissue.WHITE: 620,
        Tissue.BLOOD: 800,
        Tissue.OEDEMA: 380,
        Tissue.VITREOUS: 150,
    },
    (480, 960),
)
T2 = Contrast(
    98,
    4200,
    "SE",
    "SK",
    15,
    {
        Tissue.AIR: 5,
        Tissue.SKIN: 300,
        Tissue.FAT: 560,
        Tissue.MUSCLE: 200,
        Tissue.CORTICAL: 40,
        Tissue.MARROW: 380,
        Tissue.CSF: 950,
        Tissue.GREY: 520,
        Tissue.WHITE: 340,
        Tissue.BLOOD: 150,
        Tissue.OEDEMA: 790,
        Tissue.VITREOUS: 980,
    },
    (500, 1050),
)
CONTRASTS: Mapping[str, Contrast] = {"T1": T1, "T2": T2}


def ct_plane(names: Names, visit: Visit, series: Series, at: tuple[int, float, float], hounsfield: Plane) -> Dataset:
    """One CT image; `at` is its number, its height and its thickness in millimetres."""
    number, z, thickness = at
    dataset = instance(names, visit, series, number)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    paint(dataset, np.clip(np.rint(hounsfield) + 1024, 0, 4095).astype(np.uint16), 12)
    place(dataset, names, visit, z=z, thickness=thickness, pixel=CT_FIELD / len(hounsfield))
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = -1024, 1, "HU"
    dataset.KVP, dataset.XRayTubeCurrent, dataset.ExposureTime = 120, 250, 1000
    dataset.ConvolutionKernel = "SYNTHETIC"
    dataset.DataCollectionDiameter = dataset.ReconstructionDiameter = CT_FIELD
    dataset.GantryDetectorTilt = 0
    windows(dataset, CT_WINDOWS)
    return dataset


def mr_plane(names: Names, visit: Visit, series: Series, at: tuple[int, float, float], signal: Plane) -> Dataset:
    """One MR image; the series' key says its contrast."""
    number, z, thickness = at
    contrast = CONTRASTS[series.key]
    dataset = instance(names, visit, series, number)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    paint(dataset, np.clip(np.rint(signal), 0, 4095).astype(np.uint16), 12)
    place(dataset, names, visit, z=z, thickness=thickness, pixel=MR_FIELD / len(signal))
    dataset.SpacingBetweenSlices = thickness
    dataset.ScanningSequence, dataset.SequenceVariant = contrast.sequence, contrast.variant
    dataset.ScanOptions = ""
    dataset.MRAcquisitionType = "2D"
    dataset.EchoTime, dataset.RepetitionTime = contrast.echo_time, contrast.repetition_time
    dataset.EchoTrainLength = contrast.echo_train
    dataset.MagneticFieldStrength = 1.5
    dataset.FlipAngle = 90
    dataset.NumberOfAverages = 1
    windows(dataset, [(series.key, *contrast.window)])
    return dataset


def chest_image(names: Names, visit: Visit, series: Series, seed: int, size: int = 1024) -> Dataset:
    """A digital radiograph of the chest, for presentation."""
    dataset = instance(names, visit, series, 1)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", ""]
    paint(dataset, np.rint(chest_radiograph(seed, size) * 4095).astype(np.uint16), 12)
    dataset.PresentationIntentType = "FOR PRESENTATION"
    _projection(dataset)
    dataset.ImagerPixelSpacing = [round(FIELD / size, 6)] * 2
    dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign = "LOG", 1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "US"
    dataset.PresentationLUTShape = "IDENTITY"
    dataset.DetectorType = "SCINTILLATOR"
    windows(dataset, [("STANDARD", 2100, 4000)])
    return dataset


def _projection(dataset: Dataset) -> None:
    """DX anatomy and positioning: postero-anterior, so that the patient's right is on the left of the picture."""
    dataset.ImageLaterality = "U"
    dataset.AnatomicRegionSequence = coded("51185008", "SCT", "Chest")
    dataset.PatientOrientation = ["L", "F"]
    dataset.ViewPosition = "PA"
    dataset.ViewCodeSequence = coded("272479007", "SCT", "postero-anterior")
    dataset.ViewCodeSequence[0].ViewModifierCodeSequence = Sequence()
    dataset.AcquisitionContextSequence = Sequence()
    dataset.KVP = 125
    dataset.DistanceSourceToDetector, dataset.DistanceSourceToPatient = 1800, 1600
    dataset.PositionerType = "NONE"


def small_picture(names: Names, visit: Visit, series: Series) -> Dataset:
    """A secondary capture of 16 x 16 pixels: the least that every part of a gateway must be able to carry."""
    dataset = instance(names, visit, series, 1)
    dataset.ConversionType = "WSD"
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.PatientOrientation = dataset.Laterality = ""
    paint(dataset, np.arange(256, dtype=np.uint16).reshape(16, 16), 8)
    return dataset


CT, MR, DX = uid.CTImageStorage, uid.MRImageStorage, uid.DigitalXRayImageStorageForPresentation
SECONDARY_CAPTURE = uid.SecondaryCaptureImageStorage
