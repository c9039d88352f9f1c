"""One attribute of somebody else's header: copied as it is, unless no reader of DICOM would accept it."""

from __future__ import annotations

import re
import warnings

from pydicom import DataElement, Dataset, Sequence
from pydicom.config import IGNORE, RAISE
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.multival import MultiValue
from pydicom.valuerep import PersonName, validate_value

from config.text import Charset, charset, decode

IDENTITY = frozenset({"PatientName", "PatientID", "IssuerOfPatientID", "AccessionNumber", "StudyInstanceUID"})
IDENTITY_SEQUENCES = frozenset({"IssuerOfPatientIDQualifiersSequence", "IssuerOfAccessionNumberSequence"})
_DATE = re.compile(r"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])|")
_TIME = re.compile(r"(([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?)?")
LEGAL = {  # a value that does not match is left out; identifiers and free text are not judged
    "PatientSex": re.compile(r"[MFO]?"),
    "PatientBirthDate": _DATE,
    "StudyDate": _DATE,
    "PatientBirthTime": _TIME,
    "StudyTime": _TIME,
    "QualityControlSubject": re.compile(r"YES|NO"),
    "PatientIdentityRemoved": re.compile(r"YES|NO"),
    "TimezoneOffsetFromUTC": re.compile(r"[+-](0\d|1[0-4])[0-5]\d"),
    "TypeOfPatientID": re.compile(r"TEXT|RFID|BARCODE"),
}
TEXTS = frozenset({"PN", "LO", "SH", "ST", "LT", "UT", "UC"})
CHARACTER_SET = 0x00080005
LOST = "\ufffd"  # what a decoder leaves for what it cannot read


def copied(source: Dataset, keyword: str) -> DataElement | None:
    """The element in Unicode, or None where absent or not legal. What an identity cannot be decoded to is U+FFFD."""
    if keyword not in source:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the value is judged here
        try:
            element = _in_unicode(source, tag_for_keyword(keyword) or 0, _declared(source, charset(b"")))
            text = "" if element.value is None else str(element.value)
        except (ValueError, TypeError, LookupError, AttributeError, NotImplementedError):
            return None
    if LOST in text and keyword not in IDENTITY:
        return None
    return element if _is_legal(element, text) else None


def as_written(keyword: str, value: str) -> DataElement:
    """An identifier as its owner wrote it, unjudged."""
    return DataElement(keyword, dictionary_VR(keyword), value, validation_mode=IGNORE)


def _is_legal(element: DataElement, text: str) -> bool:
    """Codes and dates must be what the standard says, so that the report is valid; text and numbers stay."""
    if element.VR == "SQ":
        items = element.value
        return len(items) > 0 and (element.keyword in IDENTITY_SEQUENCES or all(_is_valid(item) for item in items))
    legal = LEGAL.get(element.keyword)
    return legal is None or legal.fullmatch(text.strip()) is not None


def _is_valid(item: Dataset) -> bool:
    coded = "CodeMeaning" in item or "CodeValue" in item
    if coded and not all(item.get(each) for each in ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")):
        return False
    return all(all(_is_valid(each) for each in nested.value) if nested.VR == "SQ" else _fits(nested) for nested in item)


def _fits(element: DataElement) -> bool:
    values = element.value if isinstance(element.value, MultiValue) else [element.value]
    try:
        for value in values:
            validate_value(element.VR, value, RAISE)
    except ValueError:
        return False
    return True


def _declared(source: Dataset, outer: Charset) -> Charset:
    """The character set that a dataset or item states; an item without one has that of what it stands in."""
    stated = source.get("SpecificCharacterSet")
    terms = stated if isinstance(stated, MultiValue) else [stated or ""]
    return charset("\\".join(map(str, terms)).encode("ascii", "replace")) if stated else outer


def _in_unicode(source: Dataset, tag: int, codecs: Charset) -> DataElement:
    """A copy that no longer depends on the character set of the file it comes from.

    pydicom leaves escape sequences of ISO 2022 IR 58 in the text, so text is decoded here, from its bytes.
    """
    raw: object = source.get_item(tag)  # raw until somebody looks at its value
    if isinstance(raw, RawDataElement) and raw.value is not None:
        vr = str(raw.VR or dictionary_VR(tag))
        if vr in TEXTS:
            text = decode(raw.value, codecs).rstrip(" \0")
            return DataElement(tag, vr, text, validation_mode=IGNORE)
    element = source[tag]
    value = element.value
    if element.VR == "SQ":
        value = Sequence([_item_in_unicode(item, codecs) for item in value])
    elif element.VR == "PN" and value:
        names = [PersonName(str(name)) for name in (value if isinstance(value, MultiValue) else [value])]
        value = names[0] if len(names) == 1 else names
    return DataElement(element.tag, element.VR, value, already_converted=True)


def _item_in_unicode(item: Dataset, outer: Charset) -> Dataset:
    codecs = _declared(item, outer)
    copy = Dataset()
    for tag in sorted(item.keys()):
        if tag != CHARACTER_SET and not tag.is_private:
            copy.add(_in_unicode(item, tag, codecs))
    return copy
