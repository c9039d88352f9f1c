"""A DICOM JSON object as XML in the Native DICOM Model (PS3.19 section A.1).

https://dicom.nema.org/medical/dicom/current/output/chtml/part19/chapter_A.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement, tostring

from pydicom.datadict import keyword_for_tag

from dicomweb.multipart import boundary_of, content_type, parts

XML: Final = "application/dicom+xml"
NAMESPACE: Final = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
NAME_PARTS: Final = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")

Json = Mapping[str, Mapping[str, Any]]
"""One data set in the DICOM JSON model."""

_NO_XML: Final = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF], 0xFFFD)
"""Characters that XML 1.0 cannot have, to be replaced."""


def native_model(dataset: Json) -> bytes:
    """Write one data set as an XML document in UTF-8."""
    root = Element("NativeDicomModel", {"xmlns": NAMESPACE, "xml:space": "preserve"})
    _add_attributes(root, dataset)
    document = tostring(root, "unicode").translate(_NO_XML)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{document}'.encode()


def xml_parts(documents: Sequence[bytes]) -> tuple[str, bytes]:
    """Put documents into a multipart answer; return its Content-Type and itself."""
    boundary = boundary_of("documents", *(one.decode() for one in documents))
    return content_type(XML, boundary), b"".join(parts(boundary, ((XML, [one]) for one in documents)))


def _add_attributes(parent: Element, dataset: Json) -> None:
    for tag, element in dataset.items():
        attribute = SubElement(parent, "DicomAttribute", _named(dataset, tag, element["vr"]))
        add = _ADD.get(element["vr"], _add_value)
        for number, value in enumerate(element.get("Value", ()), 1):
            add(attribute, number, value)
        if "InlineBinary" in element:
            SubElement(attribute, "InlineBinary").text = element["InlineBinary"]
        if "BulkDataURI" in element:
            SubElement(attribute, "BulkData", {"uri": element["BulkDataURI"]})


def _named(dataset: Json, tag: str, vr: str) -> dict[str, str]:
    named = {"tag": tag, "vr": vr}
    if keyword := keyword_for_tag(int(tag, 16)):
        named["keyword"] = keyword
    creator = dataset.get(f"{tag[:4]}00{tag[4:6]}", {}).get("Value")
    if int(tag[:4], 16) % 2 and creator and tag[4:6] != "00":
        named |= {"tag": f"{tag[:4]}00{tag[6:]}", "privateCreator": str(creator[0])}
    return named


def _add_value(attribute: Element, number: int, value: object) -> None:
    SubElement(attribute, "Value", {"number": str(number)}).text = "" if value is None else str(value)


def _add_item(attribute: Element, number: int, value: Json) -> None:
    _add_attributes(SubElement(attribute, "Item", {"number": str(number)}), value)


def _add_name(attribute: Element, number: int, value: Mapping[str, str] | None) -> None:
    name = SubElement(attribute, "PersonName", {"number": str(number)})
    for group, text in (value or {}).items():
        _add_parts(SubElement(name, group), text.split("^"))


def _add_parts(group: Element, texts: Iterable[str]) -> None:
    for part, text in zip(NAME_PARTS, texts, strict=False):
        if text:
            SubElement(group, part).text = text


_ADD: Final[dict[str, Callable[[Element, int, Any], None]]] = {"PN": _add_name, "SQ": _add_item}
