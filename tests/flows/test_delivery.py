"""A report reaches a PACS that is down for a while, and is delivered only when a query finds it there."""

from datetime import datetime

import pytest
from pydicom import dcmread

pytestmark = [pytest.mark.flow, pytest.mark.peers, pytest.mark.xdist_group("flows")]


def test_a_report_is_tried_again_with_growing_pauses_until_a_query_proves_it(
    installation, add_hospital, make_study, desk, eventually
):
    hospital, sent = add_hospital(installation, proof="query"), make_study(3, size=64)
    reader = desk(installation, "reader")
    hospital.push(sent)
    case_id = reader.wait_ready(sent.study_uid)["id"]
    reader.read_and_sign(case_id)

    def attempted(times: int) -> dict:
        deliveries = reader.get(f"/cases/{case_id}/deliveries")["deliveries"]
        return deliveries[0] if deliveries and deliveries[0]["attempts"] >= times else {}

    first, second = (eventually(lambda n=n: attempted(n), f"attempt {n}") for n in (1, 2))
    pauses = [moment(each["next_attempt_at"]) for each in (first, second)]
    published = moment(reader.get(f"/cases/{case_id}")["reports"][0]["published_at"])
    assert pauses[1] - pauses[0] > pauses[0] - published
    assert second["state"] == "PENDING" and hospital.title in second["destination"] and second["last_error"]
    assert reader.get(f"/cases/{case_id}")["state"] == "SIGNED"
    with hospital.pacs():
        reader.wait_state(case_id, "DELIVERED", 90)
        (proven,) = reader.get(f"/cases/{case_id}/deliveries")["deliveries"]
        assert (proven["state"], proven["last_error"]) == ("PROVEN", "")
        assert "query" in proven["proof"]
        received = hospital.received()
    report = reader.get(f"/cases/{case_id}")["reports"][0]
    assert {str(dcmread(file).SOPInstanceUID) for file in received.values()} == {report["sr_uid"], report["pdf_uid"]}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
