"""Claims about XML: it says what JSON says, of searches and of metadata."""

from __future__ import annotations

from email import message_from_bytes
from xml.etree import ElementTree

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from dicomweb.xml_model import native_model

XML = 'multipart/related; type="application/dicom+xml"'
NATIVE = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"
NAME_PARTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")


@pytest.fixture(scope="module")
def sent(world):
    """An instance with names in three scripts, a sequence, a private value and pixels."""
    item = Dataset()
    item.ScheduledProcedureStepID = "SPS1"
    made = world.instance(
        "CT_small.dcm", generate_uid(), SpecificCharacterSet="ISO_IR 192", RequestAttributesSequence=Sequence([item]),
        PatientName="Yamada^Tarou=\u5c71\u7530^\u592a\u90ce=\u3084\u307e\u3060^\u305f\u308d\u3046",
        StudyDescription="<b>&amp; \u00fc</b>",
    )  # fmt: skip
    world.study(made)
    return made


@pytest.mark.parametrize("path", ["/studies", "/series", "/instances"])
def test_a_search_says_in_xml_what_it_says_in_json(world, sent, path):
    query = f"{path}?StudyInstanceUID={sent.study_uid}&includefield=all"
    assert read(world.get(query, Accept=XML)) == [plain(one) for one in world.get(query).json()]


def test_metadata_say_in_xml_what_they_say_in_json(world, sent):
    study = f"/studies/{sent.study_uid}"
    for path in (study, f"{study}/series/{sent.series_uid}", sent.path):
        response = world.get(f"{path}/metadata", Accept=XML)
        assert read(response) == [plain(one) for one in world.get(f"{path}/metadata").json()]
        again = world.get(f"{path}/metadata", Accept=XML, If_None_Match=response.headers["ETag"])
        assert (again.status_code, again.content) == (304, b"")
        assert world.get(f"{path}/metadata").headers["ETag"] != response.headers["ETag"]


def test_a_private_attribute_names_its_creator():
    private = {"00091001": {"vr": "LO", "Value": ["x"]}, "00090010": {"vr": "LO", "Value": ["MAKER 1"]}}
    (value, creator) = ElementTree.fromstring(native_model(private))
    assert value.attrib == {"tag": "00090001", "vr": "LO", "privateCreator": "MAKER 1"}
    assert creator.attrib == {"tag": "00090010", "vr": "LO"}


@pytest.mark.parametrize("odd", ["\x00", "\x0b", "\ufffe", "\uffff"])
def test_no_value_breaks_the_document(odd):
    (attribute,) = ElementTree.fromstring(native_model({"00081030": {"vr": "LO", "Value": [f"a{odd}<b>"]}}))
    assert attribute[0].text == "a\ufffd<b>"


def read(response):
    """Each part of an answer, as `plain` has it."""
    assert response.status_code == 200
    head = f"Content-Type: {response.headers['Content-Type']}\r\n\r\n".encode()
    parts = message_from_bytes(head + response.content).get_payload()
    assert {part.get_content_type() for part in parts} == {"application/dicom+xml"}
    models = [ElementTree.fromstring(part.get_payload(decode=True)) for part in parts]
    assert {model.tag for model in models} == {f"{NATIVE}NativeDicomModel"}
    return [read_model(model) for model in models]


def read_model(model):
    def tag(one):
        creator, own = one.get("privateCreator"), one.get("tag")
        return own if creator is None else (own[:4], creator, own[6:])

    return {tag(one): (one.get("vr"), [read_value(each) for each in one]) for one in model}


def read_value(element):
    kind = element.tag.removeprefix(NATIVE)
    if kind == "Item":
        return read_model(element)
    if kind == "PersonName":
        return {
            group.tag.removeprefix(NATIVE): {part.tag.removeprefix(NATIVE): part.text for part in group}
            for group in element
        }
    return element.get("uri") if kind == "BulkData" else element.text or ""


def plain(result):
    """A JSON result in the same shape: texts, names by their parts, items by their attributes."""

    def tag(own):
        creator = result.get(f"{own[:4]}00{own[4:6]}")
        return (own[:4], creator["Value"][0], own[6:]) if int(own[:4], 16) % 2 and creator else own

    return {tag(own): (one["vr"], plain_values(one)) for own, one in result.items()}


def plain_values(element):
    if "Value" not in element:
        return [element[name] for name in ("InlineBinary", "BulkDataURI") if name in element]
    return [plain_value(element["vr"], one) for one in element["Value"]]


def plain_value(vr, value):
    if vr == "SQ":
        return plain(value)
    if vr == "PN":
        named = {group: zip(NAME_PARTS, text.split("^"), strict=False) for group, text in (value or {}).items()}
        return {group: {name: part for name, part in parts if part} for group, parts in named.items()}
    return "" if value is None else str(value)
