"""Claims about STOW-RS: what is said to be stored is in the inbox, and nothing else is."""

from __future__ import annotations

import io
import socket
import subprocess
import sys
from xml.etree import ElementTree

import pytest
import requests
from pydicom import Dataset
from pydicom.uid import generate_uid

from dicomweb.keeping import FailureReason
from scp.part10 import HEADLESS, split_part10

DICOM_TYPE = "application/dicom"
DICOM = b"Content-Type: application/dicom\r\n\r\n"


def body(*contents, boundary="guid"):
    """A body as OHIF writes it: CRLF before the first boundary, none after the last."""
    parts = b"".join(f"\r\n--{boundary}\r\n".encode() + DICOM + content for content in contents)
    return parts + f"\r\n--{boundary}--".encode()


def post(world, content, path="/studies", who="hospital", **headers):
    standard = {
        "Authorization": f"Bearer {who}",
        "Content-Type": 'multipart/related; type="application/dicom"; boundary="guid"',
        "Accept": "*/*",
    }
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.post(f"{world.url}{path}", content, headers=standard | changed, timeout=60)


def waiting(world):
    """What lies in the inbox: SOP Instance UID, origin and data set."""
    found = {}
    for entry in world.inbox.waiting(1000):
        stored = world.inbox.read(entry)
        found[stored.arrival.sop_uid] = (stored.arrival.origin, stored.part10)
    return found


def reasons(answer, tag="00081198"):
    return [item["00081197"]["Value"][0] for item in answer.get(tag, {}).get("Value", [])]


def test_what_ohif_sends_is_stored_for_the_site(world):
    sent = world.instance("CT_small.dcm", generate_uid())
    response = post(world, body(sent.part10))
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/dicom+json")
    answer = response.json()
    assert list(answer) == ["00081190", "00081199"]
    assert answer["00081190"]["Value"] == [f"{world.url}/studies/{sent.study_uid}"]
    (item,) = answer["00081199"]["Value"]
    assert item == {
        "00081150": {"vr": "UI", "Value": [sent.dataset.SOPClassUID]},
        "00081155": {"vr": "UI", "Value": [sent.sop_uid]},
        "00081190": {"vr": "UR", "Value": [f"{world.url}{sent.path}"]},
    }
    origin, part10 = waiting(world)[sent.sop_uid]
    assert origin == f"site:{world.viewers['hospital'].site_id}"
    assert part10.endswith(sent.part10[-1000:])
    (sender,) = (one.arrival.sender for one in world.inbox.waiting(1000) if one.arrival.sop_uid == sent.sop_uid)
    assert sender == "DICOMweb"


def test_dicomweb_client_stores_many_chunked(world):
    study = generate_uid()
    sent = [world.instance("MR_small.dcm", study) for _ in range(3)]
    client = world.client("hospital")
    client.set_chunk_size(4096)
    answer = client.store_instances([one.dataset for one in sent])
    assert [item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence] == [one.sop_uid for one in sent]
    assert {one.sop_uid for one in sent} <= set(waiting(world))


def test_what_orthanc_sends_is_stored(world):
    """Its boundary, the same UUID twice, is longer than RFC 2046 allows: every one of its requests was a 400."""
    uuid = "88316887-f10e-4ad1-bc4c-b378d5a73be3"
    sent, boundary = world.instance("CT_small.dcm", generate_uid()), f"{uuid}-{uuid}"
    length = f"Content-Type: application/dicom\r\nContent-Length: {len(sent.part10)}\r\n\r\n".encode()
    content = f"--{boundary}\r\n".encode() + length + sent.part10 + f"\r\n--{boundary}--\r\n".encode()
    said = f'multipart/related; type="application/dicom"; boundary={boundary}'
    assert post(world, iter([content]), Content_Type=said).status_code == 200
    assert sent.sop_uid in waiting(world)


def test_one_instance_may_come_without_multipart(world):
    """As clients of Microsoft's server and `curl --data-binary` send it (PS3.18 section 8.6.1.1); it was a 415."""
    sent = world.instance("CT_small.dcm", generate_uid())
    response = post(world, sent.part10, Content_Type="application/dicom")
    assert response.status_code == 200
    assert [item["00081155"]["Value"] for item in response.json()["00081199"]["Value"]] == [[sent.sop_uid]]
    assert sent.sop_uid in waiting(world)
    elsewhere = post(world, sent.part10, f"/studies/{generate_uid()}", Content_Type="application/dicom")
    assert (elsewhere.status_code, reasons(elsewhere.json())) == (409, [FailureReason.OTHER_STUDY])


def test_an_instance_by_itself_must_be_whole(world):
    """No last boundary would tell that it was cut, so its length is asked for."""
    sent = world.instance("CT_small.dcm", generate_uid())
    for content, status in ((iter([sent.part10]), 411), (b"", 400), (b"no DICOM", 409), (bytes(5 << 20), 413)):
        assert post(world, content, Content_Type="application/dicom").status_code == status
    head = f"POST /dicom-web/studies HTTP/1.1\r\nAuthorization: Bearer hospital\r\nContent-Type: {DICOM_TYPE}\r\n"
    host, _, port = world.url.removeprefix("http://").removesuffix("/dicom-web").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as cut:
        cut.sendall(head.encode() + f"Content-Length: {len(sent.part10) + 2}\r\n\r\n".encode() + sent.part10)
        cut.shutdown(socket.SHUT_WR)
        assert cut.recv(1000).split()[1] == b"400"
    assert sent.sop_uid not in waiting(world)


def test_some_kept_and_some_not_is_202_and_says_which(world):
    good, other = world.instance("CT_small.dcm", generate_uid()), world.instance("CT_small.dcm", generate_uid())
    response = post(world, body(good.part10, b"no DICOM", other.part10[:400]), f"/studies/{good.study_uid}")
    assert response.status_code == 202
    answer = response.json()
    assert [item["00081155"]["Value"] for item in answer["00081199"]["Value"]] == [[good.sop_uid]]
    assert len(reasons(answer, "0008119A")) == 2
    assert FailureReason.CANNOT_UNDERSTAND in reasons(answer, "0008119A")


def test_an_instance_of_another_study_than_the_path_says_is_not_kept(world):
    sent = world.instance("CT_small.dcm", generate_uid())
    response = post(world, body(sent.part10), f"/studies/{generate_uid()}")
    assert response.status_code == 409
    assert reasons(response.json()) == [FailureReason.OTHER_STUDY]
    assert (0xA901, sent.sop_uid) in {(one.status, one.sop_uid) for _, one in world.inbox.refusals(1000)}
    assert sent.sop_uid not in waiting(world)


def test_what_was_refused_is_named_to_its_sender_and_noted(world):
    """Its reason came as a bare number in Other Failures, and neither the hospital nor the coordinator saw it."""
    sent = world.instance("CT_small.dcm", generate_uid())
    deep = sent.dataset
    for _ in range(40):
        outer = Dataset()
        outer.ContentSequence = [deep.ContentSequence[0] if "ContentSequence" in deep else Dataset()]
        deep.ContentSequence = [outer]
    out = io.BytesIO()
    deep.save_as(out, enforce_file_format=True)
    response = post(world, body(out.getvalue(), b"no DICOM"))
    assert response.status_code == 409
    (item,) = response.json()["00081198"]["Value"]
    assert item == {
        "00081150": {"vr": "UI", "Value": [deep.SOPClassUID]},
        "00081155": {"vr": "UI", "Value": [sent.sop_uid]},
        "00081197": {"vr": "US", "Value": [0xC012]},
    }
    assert reasons(response.json(), "0008119A") == [FailureReason.CANNOT_UNDERSTAND]
    origin = f"site:{world.viewers['hospital'].site_id}"
    noted = {(one.origin, one.sender, one.status, one.study_uid, one.sop_uid) for _, one in world.inbox.refusals(1000)}
    assert (origin, "DICOMweb", 0xC012, sent.study_uid, sent.sop_uid) in noted
    assert (origin, "DICOMweb", 0xC000, "", "") in noted


BROKEN = {
    "a part of another type": (409, b"--guid\r\nContent-Type: image/jpeg\r\n\r\nx\r\n--guid--", {}),
    "a body that breaks off": (400, b"--guid\r\nContent-Type: application/dicom\r\n\r\nDICM", {}),
    "a body without its boundary": (400, b"nothing of the kind", {}),
    "a body without a part": (400, b"", {}),
    "another type": (415, b"DICM", {"Content-Type": "application/octet-stream"}),
}


@pytest.mark.parametrize("how", BROKEN)
def test_what_could_not_even_be_looked_at_is_noted_for_its_sender(world, how):
    """A hospital whose program wrote its bodies wrong saw nothing of them under What arrived."""
    status, sent, headers = BROKEN[how]
    for key, _ in world.inbox.refusals(1000):
        world.inbox.forget_refusal(key)
    assert post(world, sent, **headers).status_code == status
    ((_, noted),) = world.inbox.refusals(1000)
    origin = f"site:{world.viewers['hospital'].site_id}"
    assert (noted.origin, noted.sender, noted.status, noted.sop_uid) == (origin, "DICOMweb", 0xC000, "")
    assert noted.reason.endswith(".")


def test_a_body_that_breaks_off_behind_a_whole_part_is_noted_too(world):
    sent = world.instance("CT_small.dcm", generate_uid())
    assert post(world, body(sent.part10, b"DICM")[:-12]).status_code == 202
    assert "The body ends before its last boundary." in {one.reason for _, one in world.inbox.refusals(1000)}


def test_a_data_set_without_the_head_of_a_file_is_refused_in_words(world):
    """It was refused by a number alone, like anything that is no DICOM at all."""
    bare = split_part10(world.instance("CT_small.dcm", generate_uid()).part10)[1]
    response = post(world, body(bytes(bare), b"no DICOM"))
    assert response.status_code == 409
    told = response.headers["Warning"]
    assert told.startswith("299 ")
    assert HEADLESS in told
    assert "This is not a DICOM file." in told
    assert HEADLESS in {one.reason for _, one in world.inbox.refusals(1000)}


def test_what_was_kept_has_no_warning(world):
    assert "Warning" not in post(world, body(world.instance("CT_small.dcm", generate_uid()).part10)).headers


def test_none_kept_is_409(world):
    response = post(world, body(b"no DICOM"))
    assert (response.status_code, list(response.json())) == (409, ["0008119A"])


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("multipart/related; type=application/dicom; boundary=guid", 200),
        ("multipart/related; boundary=guid", 200),  # the tutorial of Microsoft's server
        ('Multipart/Related; boundary=guid; type="Application/DICOM"; transfer-syntax=*; start="x"', 200),
        ('multipart/related; type="application/dicom"; boundary=other', 400),
        ('multipart/related; type="application/dicom"', 400),
        ('multipart/related; type="application/dicom"; boundary=' + "g" * 201, 400),
        ('multipart/related; type="application/dicom+json"; boundary=guid', 415),
        ("multipart/form-data; boundary=guid", 415),
        ("application/dicom+json", 415),
        ("application/octet-stream", 415),
        ("", 415),
    ],
)
def test_what_a_body_is_said_to_be_decides(world, content_type, status):
    sent = world.instance("CT_small.dcm", generate_uid())
    response = post(world, body(sent.part10), Content_Type=content_type)
    assert response.status_code == status
    assert (sent.sop_uid in waiting(world)) is (status == 200)
    if status != 200:
        assert response.headers["Content-Type"] == "application/problem+json"


def test_an_encoded_body_is_not_taken(world):
    assert post(world, body(b"x"), Content_Encoding="gzip").status_code == 415


@pytest.mark.parametrize(
    "content", [b"", b"--guid--", b"nonsense", b"\r\n--guid\r\nContent-Type: application/dicom\r\n\r\nx"]
)
def test_a_body_without_a_whole_part_is_400(world, content):
    assert post(world, content).status_code == 400


def test_a_body_that_breaks_off_keeps_what_came_whole(world):
    sent = world.instance("CT_small.dcm", generate_uid())
    response = post(world, body(sent.part10, sent.part10)[:-2000])
    assert response.status_code == 202
    assert sent.sop_uid in waiting(world)


@pytest.mark.parametrize(
    "contents", [[b"x" * (5 << 20)], [b"x" * (3 << 20)] * 7, [b"x"] * 21], ids=["part", "request", "parts"]
)
def test_too_much_is_413_and_nothing_stays(world, contents):
    assert post(world, body(*contents)).status_code == 413
    assert list(world.spool.iterdir()) == []


def test_who_may_not_send_is_403_before_a_byte_is_kept(world):
    sent = world.instance("CT_small.dcm", generate_uid())
    for who in ("neuro", "patient", "coordinator"):
        assert post(world, body(sent.part10), who=who).status_code == 403
    assert sent.sop_uid not in waiting(world)


def test_an_answer_that_cannot_be_made_is_406_before_anything_is_kept(world):
    sent = world.instance("CT_small.dcm", generate_uid())
    assert post(world, body(sent.part10), Accept="text/html").status_code == 406
    assert sent.sop_uid not in waiting(world)


def test_a_disk_that_says_no_is_worth_another_try(full_world):
    sent = full_world.instance("CT_small.dcm", generate_uid())
    response = post(full_world, body(sent.part10))
    assert response.status_code == 503
    assert response.headers["Retry-After"]
    assert reasons(response.json(), "0008119A") == [FailureReason.OUT_OF_RESOURCES]
    assert waiting(full_world) == {}


def test_the_answer_is_told_in_xml_to_who_wants_that(world):
    sent = world.instance("CT_small.dcm", generate_uid())
    response = post(world, body(sent.part10, b"no DICOM"), Accept="application/dicom+xml")
    assert (response.status_code, response.headers["Content-Type"]) == (202, "application/dicom+xml")
    root = ElementTree.fromstring(response.content)
    named = {one.get("keyword"): one for one in root.iter() if one.get("keyword")}
    assert named["ReferencedSOPInstanceUID"][0].text == sent.sop_uid
    assert named["FailureReason"][0].text == str(int(FailureReason.CANNOT_UNDERSTAND))


def test_a_transfer_syntax_that_is_not_read_has_its_own_reason(world):
    sent = world.instance("CT_small.dcm", generate_uid())
    deflated = sent.part10.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0", 1)
    response = post(world, body(deflated))
    assert response.status_code == 409
    assert reasons(response.json(), "0008119A") == [FailureReason.SYNTAX_NOT_SUPPORTED]


@pytest.mark.parametrize("boundary", ['"guid"', "guid", '"a b:c"'])
@pytest.mark.parametrize("ending", [b"", b"\r\n"])
@pytest.mark.parametrize("chunked", [True, False])
def test_every_dialect_of_a_body_is_read(world, boundary, ending, chunked):
    """OHIF's has CRLF before its first boundary and none after the last, Orthanc's is chunked, others quote."""
    sent = world.instance("MR_small.dcm", generate_uid())
    content = body(sent.part10, boundary=boundary.strip('"')) + ending
    content_type = f"multipart/related; type=application/dicom; boundary={boundary}"
    response = post(world, iter([content[:100], content[100:]]) if chunked else content, Content_Type=content_type)
    assert response.status_code == 200
    assert sent.sop_uid in waiting(world)


PEAK_OF_ONE_PART = """
import sys
from pathlib import Path
from dicomweb.received import StoreLimits, read_parts
from gateway.door import looked_at, put
from scp.inbox import Inbox

def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])

def body(head, megabytes):
    yield b"\\r\\n--guid\\r\\nContent-Type: application/dicom\\r\\n\\r\\n" + head
    yield b"\\xe0\\x7f\\x10\\x00OB\\0\\0" + (megabytes << 20).to_bytes(4, "little")
    for _ in range(megabytes):
        yield bytes(1 << 20)
    yield b"\\r\\n--guid--"

class Generated:
    def __init__(self, pieces):
        self.pieces, self.rest = pieces, b""
    def read(self, size):
        self.rest = self.rest or next(self.pieces, b"")
        piece, self.rest = self.rest[:size], self.rest[size:]
        return piece

folder, head = Path(sys.argv[1]), Path(sys.argv[2]).read_bytes()
inbox = Inbox(folder / "inbox")
def take(part):
    put(inbox, looked_at(part.content), "site:1")

def store(megabytes):
    read_parts(Generated(body(head, megabytes)), "guid", StoreLimits(), folder, take)
store(1)
before = peak()
store(1024)
print(inbox.waiting(2)[1].size, peak() - before)
"""


def test_a_part_of_a_gigabyte_is_kept_without_memory(world, tmp_path):
    """A map of the file would be no memory that is lost, but the kernel's and everybody's count of it."""
    image = world.instance("CT_small.dcm", generate_uid()).dataset
    del image.PixelData, image[0xFFFCFFFC]
    image.save_as(tmp_path / "head.dcm", enforce_file_format=True)
    command = [sys.executable, "-c", PEAK_OF_ONE_PART, tmp_path, tmp_path / "head.dcm"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    size, grown = map(int, done.stdout.split())
    assert size > 1 << 30
    assert grown < 16 << 10, "kB that the process had at most beyond those of one megabyte"
