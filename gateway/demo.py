"""`--demo`: the people and the site of a first look, and synthetic studies sent through the front door."""

from __future__ import annotations

from sqlalchemy import func, select

from config.database import Database, connect
from config.settings import Settings
from gateway.accounts.people import NewPerson, add_person
from gateway.demo_studies import LAST, demo_studies
from gateway.sites import LOOPBACK, Receiver, put_site
from scp.sender import Endpoint, Sender
from worklist.models import Person, Site, Study
from worklist.states import Role
from worklist.subspecialties import Subspecialty

PASSWORD = "demo"  # noqa: S105  # printed on the first page: a demonstration has no secrets
SITE = "DEMO_HOSPITAL"
SENDER = "DEMO_PACS"
RECEIVER = "DEMO_PACS@127.0.0.1:11113"

PEOPLE: tuple[NewPerson, ...] = (
    NewPerson("patient@demo.example", "Pat Sample", (Role.PATIENT,)),
    NewPerson(
        "reader@demo.example",
        "Dr. Nora Example",
        (Role.READER,),
        dicom_name="Example^Nora^^Dr.",
        title="Consultant Neuroradiologist",
        organization="Overread Demo Readers",
        registration_number="DEMO-1001",
        registration_body="Demo Medical Council",
        subspecialties=(Subspecialty.NEURORADIOLOGY,),
    ),
    NewPerson(
        "chest@demo.example",
        "Dr. Theo Example",
        (Role.READER,),
        dicom_name="Example^Theo^^Dr.",
        title="Consultant Thoracic Radiologist",
        organization="Overread Demo Readers",
        registration_number="DEMO-1002",
        registration_body="Demo Medical Council",
        subspecialties=(Subspecialty.THORACIC,),
    ),
    NewPerson("coordinator@demo.example", "Cora Example", (Role.COORDINATOR,)),
    NewPerson("admin@demo.example", "Ada Example", (Role.ADMIN,)),
    NewPerson("hospital@demo.example", "Hana Example", (Role.SITE,)),
)


def add_demo_people(database: Database) -> None:
    """Make the demo's people and site, once; a password that was changed since stays changed."""
    with database.writing() as session:
        site = session.scalars(select(Site).where(Site.code == SITE)).one_or_none()
        if site is None:
            site = put_site(session, SITE, "Demo Hospital", [SENDER], [Receiver.parse(RECEIVER)])
            site.addresses = list(LOOPBACK)
        known = set(session.scalars(select(Person.email)))
        for each in PEOPLE:
            if each.email not in known:
                person = add_person(session, each, PASSWORD)
                person.site_id = site.id if Role.SITE in each.roles else None


def send_demo_studies(settings: Settings) -> int:
    """Send the synthetic studies by C-STORE, as a hospital would; 0 if they are here already.

    They are, if the last one is: of one that was cut off, or never begun, all are sent again.
    """
    database = connect(settings.database_url)
    with database.reading() as session:
        known = session.scalar(select(func.count(Study.id)).where(Study.accession == LAST.accession))
    database.close()
    if known:
        return 0
    dicom = settings.dicom
    ours = Endpoint(dicom.ae_title, dicom.called, dicom.port, SENDER)
    sender = Sender(SENDER, settings.delivery.timeout)
    sent = 0
    for study in demo_studies(str(settings.data)):
        sender.send(ours, study.instances)
        sent += len(study.instances)
    return sent
