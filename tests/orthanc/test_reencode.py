"""Implicit and big endian files written again in explicit little endian: another encoding, the same content."""

import io
import warnings

import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from orthanc.elements import read_part10
from orthanc.reencode import explicit_little, needs_reencoding

SOURCES = frozenset({ImplicitVRLittleEndian, ExplicitVRBigEndian})


def same(one, other):
    """Two data sets hold the same; bytes of 16 bits and more are compared as pixels elsewhere."""
    if {e.tag for e in one if e.tag.element} != {e.tag for e in other if e.tag.element}:
        return False
    for element in one:
        if element.tag.element == 0:
            continue
        twin = other[element.tag]
        if element.VR == "SQ":
            if len(element.value) != len(twin.value) or not all(map(same, element.value, twin.value)):
                return False
        elif not isinstance(element.value, bytes) and str(element.value) != str(twin.value):
            return False
    return True


def test_every_file_reads_the_same_afterwards(samples):
    read, different = 0, []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for file in samples.good():
            part10 = read_part10(file.read_bytes())
            if not needs_reencoding(part10):
                continue
            again = pydicom.dcmread(io.BytesIO(explicit_little(part10)))
            try:
                source = pydicom.dcmread(file)
                list(source.iterall())
            except (OSError, NotImplementedError, ValueError):  # pydicom cannot read the source
                continue
            read += 1
            if again.file_meta.TransferSyntaxUID != ExplicitVRLittleEndian or not same(source, again):
                different.append(file.name)
    assert read >= 20
    assert different == []


@pytest.mark.parametrize("name", ["MR_small_implicit.dcm", "rtplan.dcm", "rtdose.dcm"])
def test_implicit_values_are_kept_byte_for_byte(samples, name):
    source = samples.shipped(name)
    again = explicit_little(read_part10(source))
    before, after = read_part10(source), read_part10(again)
    values = {element.tag: before.value(element) for element in before.elements if element.items is None}
    for element in after.elements:
        if element.items is None:
            assert after.value(element).rstrip(b"\0 ") == values[element.tag].rstrip(b"\0 ")


def test_a_value_too_long_for_its_vr_goes_as_unknown_and_is_known_again(samples):
    long = "\\".join(["1.5"] * 30000)
    source = samples.made(transfer_syntax=ImplicitVRLittleEndian, ContourData=long.split("\\"))
    again = read_part10(explicit_little(read_part10(source)))
    (element,) = (one for one in again.elements if one.tag == 0x30060050)
    assert element.vr == "DS"
    assert again.value(element).strip().decode() == long


def test_writing_it_twice_gives_the_same_bytes(samples):
    part10 = read_part10(samples.shipped("MR_small_bigendian.dcm"))
    assert explicit_little(part10) == explicit_little(part10)
