"""The content tree: TID 2000 Basic Diagnostic Imaging Report, one level of sections.

https://dicom.nema.org/medical/dicom/current/output/chtml/part16/sect_DiagnosticImagingReportTemplates.html
"""

from __future__ import annotations

from collections.abc import Iterator

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    PnameContentItem,
    RelationshipTypeValues,
    TextContentItem,
)

from sr_reports import codes
from sr_reports.opinion import ReportContent, Signer
from sr_reports.prose import one_line
from sr_reports.sections import Role, Section, SectionName, sections
from sr_reports.values import crlf, person_name

CONTAINS = RelationshipTypeValues.CONTAINS
CONTEXT = RelationshipTypeValues.HAS_OBS_CONTEXT
MODIFIER = RelationshipTypeValues.HAS_CONCEPT_MOD
TITLE = "Second-opinion report"
UNNAMED_READER = "First reader, name not stated"


def content_tree(content: ReportContent, *, coded: bool) -> ContainerContentItem:
    """The root CONTAINER. With `coded` False it has no CODE in its sections, as Basic Text SR demands; the same is
    always said in words.
    """
    root = ContainerContentItem(codes.DIAGNOSTIC_IMAGING_REPORT, is_content_continuous=False, template_id="2000")
    children = [
        CodeContentItem(codes.LANGUAGE, codes.ENGLISH, MODIFIER),
        CodeContentItem(codes.EQUIVALENT_TITLE, codes.RADIOLOGY_CONSULT_NOTE, MODIFIER),
        TextContentItem(codes.EQUIVALENT_TITLE, TITLE, MODIFIER),
        *_reader(content.signer),
        *(_section(section, content, coded=coded) for section in sections(content)),
    ]
    root.ContentSequence = ContentSequence(children)
    return root


def _reader(signer: Signer) -> Iterator[ContentItem]:
    """TID 1002 and 1003: the reader as observer of everything that no section says otherwise of."""
    yield CodeContentItem(codes.OBSERVER_TYPE, codes.PERSON, CONTEXT)
    yield PnameContentItem(codes.PERSON_NAME, person_name(signer.name), CONTEXT)
    if signer.organization:
        yield TextContentItem(codes.ORGANIZATION, one_line(signer.organization), CONTEXT)
    yield CodeContentItem(codes.ROLE_IN_ORGANIZATION, codes.CONSULTANT, CONTEXT)
    yield CodeContentItem(codes.ROLE_IN_PROCEDURE, codes.READER, CONTEXT)
    if signer.registration_number:
        registration = ", ".join(part for part in (signer.registration_number, signer.registration_body) if part)
        yield TextContentItem(codes.REGISTRATION, one_line(registration), CONTEXT)


def _section(section: Section, content: ReportContent, *, coded: bool) -> ContainerContentItem:
    container = ContainerContentItem(
        codes.HEADINGS[section.name], is_content_continuous=False, relationship_type=CONTAINS
    )
    children: list[ContentItem] = []
    if section.name is SectionName.FIRST_REPORT:
        author = content.prior_report.author if content.prior_report else ""
        children += [
            CodeContentItem(codes.OBSERVER_TYPE, codes.PERSON, CONTEXT),
            PnameContentItem(codes.PERSON_NAME, person_name(author or UNNAMED_READER), CONTEXT),
        ]
    if section.name is SectionName.COMPARISON and coded and content.opinion.concordance:
        agreement = codes.AGREEMENT[content.opinion.concordance]
        children += [CodeContentItem(name, value, CONTAINS) for name, value in agreement]
    children += [
        TextContentItem(_concept(section, paragraph.role), crlf(paragraph.text), CONTAINS)
        for paragraph in section.paragraphs
    ]
    container.ContentSequence = ContentSequence(children)
    return container


def _concept(section: Section, role: Role) -> CodedConcept:
    return codes.ROLES.get(role, codes.ELEMENTS[section.name])
