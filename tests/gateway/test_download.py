"""The zip of a study from the case's page: for reader, site and patient, and for nobody else."""

from __future__ import annotations

import io
import re
import zipfile

import pytest
from pydicom.uid import generate_uid
from sqlalchemy import update

from scp.part10 import split_part10
from worklist.models import Case

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_reader_site_and_patient_find_it_on_the_page_and_get_all_of_it(web, people) -> None:
    reader, patient, stranger = people.reader("neuroradiology"), people.patient(), people.reader("thoracic")
    site_id = people.site()
    hospital = people.hospital(site_id)
    image = web.world.make(PatientID=generate_uid()[-20:])
    case_id = web.world.held_case(reader, site_id, image)
    with web.database.writing() as session:
        session.execute(update(Case).values(patient_id=patient.person_id))
    for who in (reader, patient, hospital):
        page = web.ask(who, "GET", f"/cases/{case_id}").get_data(as_text=True)
        (address,) = re.findall(r'href="(/dicom-web/[^"]*/images\.zip)" download', page)
        answer = web.ask(who, "GET", address)
        assert answer.status_code == 200
        with zipfile.ZipFile(io.BytesIO(answer.get_data())) as packed:
            assert packed.namelist() == ["DICOM/S0000001/I0000001", "DICOMDIR"]
            assert split_part10(packed.read("DICOM/S0000001/I0000001")) == split_part10(image)
    assert web.ask(stranger, "GET", address).status_code == 404
    assert web.ask(None, "GET", address).status_code == 401
