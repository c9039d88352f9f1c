"""Reports and PDFs that came with the images are read on the case's page, by those whose case it is."""

from __future__ import annotations

import re
from io import BytesIO

import pytest
from pydicom import Dataset, Sequence, dcmread
from pydicom.uid import BasicTextSRStorage, ComprehensiveSRStorage, EncapsulatedPDFStorage, generate_uid

from worklist.models import AccessLine, Case, CaseStudy, Study

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

STUDY = generate_uid()
EVIL = '<script>alert("1")</script><img src=x onerror=alert(1)>'


def coded(meaning: str) -> Sequence:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "99TEST", meaning
    return Sequence([code])


def item(kind: str, name: str, **values: object) -> Dataset:
    made = Dataset()
    made.RelationshipType, made.ValueType, made.ConceptNameCodeSequence = "CONTAINS", kind, coded(name)
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def points_to(sop_uid: str) -> Dataset:
    referenced = Dataset()
    referenced.ReferencedSOPClassUID, referenced.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", sop_uid
    return item("IMAGE", "Source", ReferencedSOPSequence=Sequence([referenced]))


def size(value: str) -> Dataset:
    measured = Dataset()
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = value, coded("millimeter")
    return item("NUM", "Long axis", MeasuredValueSequence=Sequence([measured]))


def without_pixels(part10: bytes, sop_class: str, **values: object) -> bytes:
    ds = dcmread(BytesIO(part10))
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        del ds[keyword]
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop_class
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    out = BytesIO()
    ds.save_as(out)
    return out.getvalue()


@pytest.fixture
def sent(web, people):
    """Archives files of one study for a case of a site and a patient; the case and those who are asked as."""

    def send(*files: bytes):
        site, owner = people.site(), people.patient()
        theirs = people.hospital(site)
        for one in files:
            web.world.receive(one, f"site:{site}")
        web.world.carry()
        with web.database.writing() as session:
            case = Case(subspecialty="thoracic", state="READY", site_id=site, patient_id=owner.person_id)
            session.add(case)
            session.flush()
            session.add(CaseStudy(case_id=case.id, study_id=session.query(Study.id).scalar()))
            return case.id, owner, theirs

    return send


def image_of(web, **more: object) -> bytes:
    return web.world.make(StudyInstanceUID=STUDY, **more)


def structured(web, *below: Dataset, sop_uid: str, sop_class: str = ComprehensiveSRStorage) -> bytes:
    return without_pixels(
        image_of(web, SOPInstanceUID=sop_uid, Modality="SR", SeriesDescription="Outside report"),
        sop_class,
        ValueType="CONTAINER",
        ConceptNameCodeSequence=coded("CT report"),
        ContentSequence=Sequence(below),
        CompletionFlag="COMPLETE",
        VerificationFlag="VERIFIED",
    )


def pdf(web, sop_uid: str, content: bytes) -> bytes:
    file = image_of(web, SOPInstanceUID=sop_uid, Modality="DOC", SeriesDescription="Letter")
    values = {"MIMETypeOfEncapsulatedDocument": "application/pdf", "EncapsulatedDocument": content}
    return without_pixels(file, EncapsulatedPDFStorage, **values)


def test_a_report_is_told_in_headings_sentences_tables_and_pictures(web, sent) -> None:
    picture, uid = generate_uid(), generate_uid()
    finding = item("CONTAINER", "Findings", ContentSequence=Sequence([item("TEXT", "Finding", TextValue="結節あり")]))
    report = structured(web, finding, size("17.5"), points_to(picture), points_to("1.9.9.9"), sop_uid=uid)
    case, owner, _ = sent(image_of(web, SOPInstanceUID=picture), report)
    page = web.ask(owner, "GET", f"/cases/{case}/documents/{uid}").text
    assert re.search(r"<h3[^>]*>CT report</h3>", page)
    assert re.search(r"<h4[^>]*>Findings</h4>", page)
    assert '<p lang="zh">結節あり</p>' in page or '<p lang="ja">結節あり</p>' in page
    assert re.search(r"Long axis</th><td class=\"number\">17.5</td>", page)
    assert f"/dicom-web/cases/{case}/studies/{STUDY}/" in page
    assert f"/instances/{picture}/thumbnail" in page
    assert "An image that is not in this case" in page
    assert "Complete, verified" in page


def test_the_page_of_a_case_lists_what_came_with_its_images(web, sent) -> None:
    report, letter = generate_uid(), generate_uid()
    case, owner, hospital = sent(image_of(web), structured(web, sop_uid=report), pdf(web, letter, b"%PDF-1.4 x"))
    for who in (owner, hospital):
        page = web.ask(who, "GET", f"/cases/{case}").text
        for uid in (report, letter):
            assert f'hx-get="/cases/{case}/documents/{uid}"' in page
    assert (
        "<html" not in web.ask(owner, "GET", f"/cases/{case}/documents/{report}", headers={"HX-Request": "true"}).text
    )


def test_nothing_in_a_report_becomes_markup(web, sent) -> None:
    uid = generate_uid()
    told = item("CONTAINER", EVIL[:60], ContentSequence=Sequence([item("TEXT", EVIL[:60], TextValue=EVIL)]))
    case, owner, _ = sent(image_of(web), structured(web, told, sop_uid=uid, sop_class=BasicTextSRStorage))
    page = web.ask(owner, "GET", f"/cases/{case}/documents/{uid}").text
    assert "&lt;script&gt;alert" in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page


@pytest.mark.parametrize("content", [b"%PDF-1.4 the letter ", b"%PDF-1.4" + bytes(range(256)) * 300])
def test_a_pdf_comes_as_it_was_sent_and_only_our_own_pages_may_frame_it(web, sent, content) -> None:
    uid = generate_uid()
    case, owner, _ = sent(image_of(web), pdf(web, uid, content))
    answer = web.ask(owner, "GET", f"/cases/{case}/documents/{uid}/pdf")
    assert (answer.data, answer.mimetype) == (content, "application/pdf")
    assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert (
        f'<iframe class="pdf" src="/cases/{case}/documents/{uid}/pdf"'
        in web.ask(owner, "GET", f"/cases/{case}/documents/{uid}").text
    )


def test_documents_are_for_those_whose_case_it_is_and_each_look_is_noted(web, people, sent) -> None:
    uid, letter = generate_uid(), generate_uid()
    case, owner, hospital = sent(image_of(web), structured(web, sop_uid=uid), pdf(web, letter, b"%PDF-1.4 x"))
    paths = [f"/cases/{case}/documents/{uid}", f"/cases/{case}/documents/{letter}/pdf"]
    for who in (owner, hospital, people.reader("thoracic"), people.coordinator()):
        assert [web.ask(who, "GET", path).status_code for path in paths] == [200, 200]
    strangers = (people.patient(), people.reader("breast"), people.hospital(people.site()))
    assert {web.ask(who, "GET", path).status_code for who in strangers for path in paths} == {404}
    web.app.extensions["overread-access-log"].stop()
    with web.database.reading() as session:
        noted = {(line.action, line.case_id) for line in session.query(AccessLine)}
    assert {("show_document", case), ("show_pdf", case)} <= noted


def test_an_image_or_another_cases_document_is_no_document(web, sent) -> None:
    uid, picture = generate_uid(), generate_uid()
    case, owner, _ = sent(image_of(web, SOPInstanceUID=picture), structured(web, sop_uid=uid))
    for wrong in (f"/cases/{case}/documents/{picture}", f"/cases/{case}/documents/1.2.3", f"/cases/{case}/documents/x"):
        assert web.ask(owner, "GET", wrong).status_code == 404
    assert web.ask(owner, "GET", f"/cases/{case}/documents/{uid}/pdf").status_code == 404


def test_a_report_that_is_none_says_so_and_can_be_had_as_it_came(web, sent) -> None:
    uid = generate_uid()
    broken = without_pixels(image_of(web, SOPInstanceUID=uid, Modality="SR"), ComprehensiveSRStorage, ContentDate="")
    case, owner, _ = sent(image_of(web), broken)
    page = web.ask(owner, "GET", f"/cases/{case}/documents/{uid}")
    assert page.status_code == 200
    file = re.search(r'href="(/dicom-web/[^"]+)" download', page.text)
    assert file
    assert web.ask(owner, "GET", file[1]).data[128:132] == b"DICM"
