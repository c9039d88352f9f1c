"""DICOM JSON: the same as pydicom's where pydicom's is right, and right where it is not."""

import math
import warnings

import orjson
import pydicom
import pytest
from pydicom.dataset import Dataset

from orthanc.elements import read_part10
from orthanc.metadata import instance_metadata, with_base
from orthanc.reencode import explicit_little, needs_reencoding

BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
WINDOWS = ("00281050", "00281051", "00281055")
KEYWORDS_OF_VRS = ("Value", "BulkDataURI", "InlineBinary")


def metadata_of(part10):
    """The metadata of a file as the cache keeps it."""
    taken_apart = read_part10(part10)
    if needs_reencoding(taken_apart):
        taken_apart = read_part10(explicit_little(taken_apart))
    return orjson.loads(instance_metadata(taken_apart).json)


def objects(json):
    """Every attribute, those in sequences too, with its tag."""
    for tag, attribute in json.items():
        yield tag, attribute
        for item in attribute.get("Value", []) if attribute["vr"] == "SQ" else []:
            yield from objects(item)


def normal(attribute):
    """What an attribute says, without the liberties that the standard gives: number or text, padding."""
    vr, values = attribute["vr"], attribute.get("Value", [])
    if vr == "SQ":
        return [{tag: normal(one) for tag, one in item.items() if int(tag[4:], 16)} for item in values]
    if vr in BINARY:
        return "bytes"  # compared where they lie, below
    return [_plain(value, vr) for value in values]


def _plain(value, vr):
    if isinstance(value, dict):
        value = {name: text.replace("\x1b$)A", "") for name, text in value.items()}  # pydicom leaves them in
        return {name: text.strip() for name, text in value.items() if text and text.strip()} or None
    if vr in {"DS", "IS", "FL", "FD"} and value is not None:
        number = float(value)
        return None if math.isnan(number) else number
    if vr in {"UV", "SV"}:
        return str(value)
    return (value.strip(" \0") or None) if isinstance(value, str) else value


def compare(ours, theirs):
    """Tags at which two models differ though both have a value of the same VR."""
    for tag in theirs:
        if tag in WINDOWS and tag not in ours:  # one that makes no sense; further down
            continue
        if int(tag[4:], 16) == 0 or int(tag[:4], 16) in {0x7FE0} or theirs[tag]["vr"] in BINARY:
            continue
        if ours[tag]["vr"] in BINARY or "BulkDataURI" in ours[tag]:
            continue
        if normal(ours[tag]) != normal(theirs[tag]):
            yield tag


def theirs_of(file):
    """pydicom's model, or None where pydicom cannot make one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return pydicom.dcmread(file, stop_before_pixels=True).to_json_dict(suppress_invalid_tags=True)
        except Exception:  # noqa: BLE001 - it raises whatever comes
            return None


def test_it_says_the_same_as_pydicom_of_every_file(samples):
    compared, different = 0, {}
    for file in samples.good():
        theirs = theirs_of(file)
        if theirs is None:
            continue
        try:
            found = list(compare(metadata_of(file.read_bytes()), theirs))
        except ValueError:  # a number that pydicom turned into something else
            continue
        compared += 1
        if found:
            different[file.name] = found
    assert compared >= 80
    assert different == {}


def test_every_model_keeps_to_the_rules(samples):
    for file in samples.good():
        json = metadata_of(file.read_bytes())
        assert list(json) == sorted(json), file
        for tag, attribute in objects(json):
            assert len(tag) == 8, file
            assert tag == tag.upper(), file
            assert int(tag[4:], 16) != 0, file
            assert len(attribute["vr"]) == 2, file
            assert sum(name in attribute for name in KEYWORDS_OF_VRS) <= 1, file
            assert attribute.get("Value") != [], file
            assert attribute["vr"] not in BINARY or "Value" not in attribute, file


def test_large_values_lie_where_the_index_says(samples):
    found = 0
    for file in samples.good():
        part10 = file.read_bytes()
        metadata = instance_metadata(read_part10(part10))
        addresses = {one["BulkDataURI"] for _, one in objects(orjson.loads(metadata.json)) if "BulkDataURI" in one}
        assert addresses == {f"bulk/{path}" for path in metadata.bulk}
        for bulk in metadata.bulk.values():
            assert all(0 < at <= at + length <= len(part10) for at, length in bulk.pieces)
            found += 1
    assert found >= 70


def test_pixels_are_an_address(samples):
    part10 = samples.made(PixelData=b"\5\6" * 16)
    metadata = instance_metadata(read_part10(part10))
    ((at, length),) = metadata.bulk["7FE00010"].pieces
    assert part10[at : at + length] == b"\5\6" * 16
    assert orjson.loads(metadata.json)["7FE00010"] == {"vr": "OW", "BulkDataURI": "bulk/7FE00010"}


def test_a_large_value_inside_a_sequence_has_a_path(samples):
    item = Dataset()
    item.WaveformData = bytes(range(256)) * 8
    item["WaveformData"].VR = "OW"
    part10 = samples.made(WaveformSequence=[Dataset(), item])
    metadata = instance_metadata(read_part10(part10))
    ((at, length),) = metadata.bulk["54000100/2/54001010"].pieces
    assert part10[at : at + length] == bytes(range(256)) * 8


def test_a_document_is_an_address_and_its_name_is_not(samples):
    part10 = samples.made(EncapsulatedDocument=b"%PDF" * 400, DocumentTitle="Report")
    json = metadata_of(part10)
    assert json["00420011"] == {"vr": "OB", "BulkDataURI": "bulk/00420011"}
    assert json["00420010"]["Value"] == ["Report"]


def test_addresses_become_absolute_and_what_looks_like_one_does_not(samples):
    part10 = samples.made(StudyDescription='"BulkDataURI":"bulk/1', PatientComments='\\"BulkDataURI":"')
    json = with_base(instance_metadata(read_part10(part10)).json, b"https://here/instances/1/")
    assert json.count(b"https://here/") == 1
    assert orjson.loads(json)["7FE00010"]["BulkDataURI"] == "https://here/instances/1/bulk/7FE00010"
    assert orjson.loads(json)["00081030"]["Value"] == ['"BulkDataURI":"bulk/1']


@pytest.mark.parametrize(
    ("keyword", "value", "expected"),
    [
        ("PatientName", "A^B=C=D", {"vr": "PN", "Value": [{"Alphabetic": "A^B", "Ideographic": "C", "Phonetic": "D"}]}),
        ("PatientName", "=C", {"vr": "PN", "Value": [{"Ideographic": "C"}]}),
        ("PatientName", "", {"vr": "PN"}),
        ("ImageType", ["A", "", "B"], {"vr": "CS", "Value": ["A", None, "B"]}),
        ("ImagePositionPatient", ["40", "", "1e3"], {"vr": "DS", "Value": [40, None, 1000.0]}),
        ("SliceThickness", "NaN", {"vr": "DS", "Value": ["NaN"]}),
        ("SliceThickness", "1_0", {"vr": "DS", "Value": ["1_0"]}),
        ("InstanceNumber", "12abc", {"vr": "IS", "Value": ["12abc"]}),
        ("InstanceNumber", "1.0", {"vr": "IS", "Value": [1.0]}),
        ("PatientComments", "a\\b ", {"vr": "LT", "Value": ["a\\b"]}),
        ("FrameIncrementPointer", 0x00181063, {"vr": "AT", "Value": ["00181063"]}),
        ("RecommendedDisplayFrameRateInFloat", math.nan, {"vr": "FL", "Value": [None]}),
        ("ExaminedBodyThickness", math.inf, {"vr": "FL", "Value": [None]}),
        ("ReferencedImageSequence", [], {"vr": "SQ"}),
        ("ReferencedImageSequence", [Dataset()], {"vr": "SQ", "Value": [{}]}),
        ("RedPaletteColorLookupTableData", b"\1\2\3\4", {"vr": "OW", "InlineBinary": "AQIDBA=="}),
        ("SelectorUVValue", 2**63, {"vr": "UV", "Value": [str(2**63)]}),
    ],
)
def test_one_value(samples, keyword, value, expected):
    tag = f"{pydicom.datadict.tag_for_keyword(keyword):08X}"
    item = Dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if expected["vr"] in {"DS", "IS"}:
            raw = samples.raw(keyword, "\\".join(value if isinstance(value, list) else [value]))
            item[raw.tag] = raw
        else:
            setattr(item, keyword, value)
        if keyword == "RecommendedDisplayFrameRateInFloat":
            item[keyword].VR = "FL"
        part10 = samples.made(RequestAttributesSequence=[item])
    assert metadata_of(part10)["00400275"]["Value"][0][tag] == expected


def test_a_number_of_a_wrong_length_goes_out_as_its_bytes(samples):
    head = b"\x28\x00\x06\x01US\x02\0\1\0"
    part10 = samples.made(SmallestImagePixelValue=1).replace(head, b"\x28\x00\x06\x01US\x03\0\1\0\0")
    assert metadata_of(part10)["00280106"] == {"vr": "UN", "InlineBinary": "AQAA"}


def test_implicit_files_have_the_vrs_of_the_dictionaries(samples):
    explicit, implicit = (
        metadata_of(samples.shipped("MR_small.dcm")),
        metadata_of(samples.shipped("MR_small_implicit.dcm")),
    )
    del explicit["FFFCFFFC"]  # padding, which the implicit file has not
    assert {tag: one["vr"] for tag, one in explicit.items()} == {tag: one["vr"] for tag, one in implicit.items()}


def test_text_in_items_is_in_the_character_set_around_them(samples):
    item = Dataset()
    item.CodeMeaning = "Schädel"
    json = metadata_of(samples.made(SpecificCharacterSet="ISO_IR 100", ProcedureCodeSequence=[item]))
    assert json["00081032"]["Value"][0]["00080104"]["Value"] == ["Schädel"]
    assert json["00080005"]["Value"] == ["ISO_IR 100"]


def window(center="", width="", function="", explanation=""):
    said = {
        "WindowCenter": center,
        "WindowWidth": width,
        "VOILUTFunction": function,
        "WindowCenterWidthExplanation": explanation,
    }
    return {keyword: value for keyword, value in said.items() if value}


def windows_of(json):
    return [json.get(tag, {}).get("Value") for tag in WINDOWS]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (window("40", "400", explanation="BRAIN"), [[40], [400], ["BRAIN"]]),
        (window("40", "1"), [[40], [1], None]),
        (window("40", "0", explanation="BRAIN"), [None, None, None]),
        (window("40", "-5"), [None, None, None]),
        (window("40", "0.5"), [None, None, None]),
        (window("40", "0.5", "LINEAR"), [None, None, None]),
        (window("40", "0.5", "LINEAR_EXACT"), [[40], [0.5], None]),
        (window("0.2", "0.5", "SIGMOID"), [[0.2], [0.5], None]),
        (window("40", "0", "SIGMOID"), [None, None, None]),
        (window("40", "wide"), [None, None, None]),
        (window("NaN", "400"), [None, None, None]),
        (window("40"), [None, None, None]),
        (window("", "400"), [None, None, None]),
        (window("40\\50\\60", "0\\80\\1e3", explanation="A\\B\\C"), [[50, 60], [80, 1000.0], ["B", "C"]]),
        (window("40\\50", "400"), [[40], [400], None]),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_a_window_through_which_nothing_can_be_seen_is_left_out(samples, said, expected, nested):
    """OHIF opened such an image black, or without any grey. The stored bytes keep it."""
    raw = {keyword: samples.raw(keyword, text) for keyword, text in said.items()}
    item = Dataset()
    for element in raw.values():
        item[element.tag] = element
    part10 = samples.made(**({"FrameVOILUTSequence": [item]} if nested else raw))
    json = metadata_of(part10)
    assert windows_of(json["00289132"]["Value"][0] if nested else json) == expected
    assert all(text.encode() in part10 for text in said.values())
