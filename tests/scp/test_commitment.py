"""Storage commitment at the door: 0000 only for what is on disk, else the right status; the report comes back."""

import signal
import struct
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import N_ACTION
from pynetdicom.dsutils import encode
from pynetdicom.presentation import build_context, build_role

from scp.commitment import (
    COMMITMENT,
    COMMITMENT_INSTANCE,
    FAILURES,
    REFUSALS,
    FailureReason,
    Judgement,
    Reference,
    Refused,
)
from scp.requesting import Endpoint, PeerRefused, PeerUnavailable
from scp.sender import Sender
from scp.transactions import MOST_ASKED

CT = "1.2.840.10008.5.1.4.1.1.2"


def question(*sop_uids, transaction=None, sop_class=CT):
    said = Dataset()
    said.TransactionUID = transaction or generate_uid()
    said.ReferencedSOPSequence = Sequence([])
    for uid in sop_uids:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
        said.ReferencedSOPSequence.append(item)
    return said


@dataclass
class Modality:
    """What asks, and the reports that it got: event type, data set."""

    association: object = None
    reports: list = field(default_factory=list)
    answer: int = 0

    def on_report(self, event):
        self.reports.append((event.request.EventTypeID, event.event_information))
        return self.answer, None

    def ask(self, said, action=1, instance=COMMITMENT_INSTANCE, sop_class=COMMITMENT):
        status, _ = self.association.send_n_action(said, action, sop_class, instance)
        return status.Status


@contextmanager
def modality(port, syntax=ExplicitVRLittleEndian, roles=(), contexts=()):
    one, ae = Modality(), AE("HOSPITAL")
    ae.dimse_timeout = ae.acse_timeout = 10
    wanted = [build_context(COMMITMENT, syntax), *contexts]
    handlers = [(evt.EVT_N_EVENT_REPORT, one.on_report)]
    one.association = ae.associate("127.0.0.1", port, wanted, "OVERREAD", ext_neg=list(roles), evt_handlers=handlers)
    assert one.association.is_established
    try:
        yield one
    finally:
        one.association.release()


def judge_all(inbox, failed=()):
    """What the worker does, with a judgement made up here."""
    for key, request in inbox.transactions.asked():
        inbox.transactions.taken(key)
        good = tuple(each for each in request.references if each.sop_uid not in failed)
        bad = tuple((each, FailureReason.NO_SUCH_INSTANCE) for each in request.references if each.sop_uid in failed)
        inbox.transactions.judged(key, Judgement(request.transaction_uid, good, bad))


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_request_is_on_disk_when_it_is_answered(hospital, syntax):
    said = question("1.2.3", "1.2.4", transaction="1.2.99")
    with modality(hospital.port, syntax) as one:
        assert one.ask(said) == 0
    ((key, request),) = hospital.inbox.transactions.asked()
    assert (request.origin, request.sender, request.transaction_uid) == ("site:7", "HOSPITAL", "1.2.99")
    assert [(each.sop_class_uid, each.sop_uid) for each in request.references] == [(CT, "1.2.3"), (CT, "1.2.4")]
    assert (hospital.folder / "inbox" / "commitments" / "asked" / key).exists()


def test_a_request_that_was_answered_outlives_the_receiver(made, tmp_path):
    port = made.free_port()
    with made.receiver_process(tmp_path, port) as process, modality(port) as one:
        assert one.ask(question("1.2.3")) == 0
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert len(list(made.inbox(tmp_path).transactions.asked())) == 1


def without(keyword):
    said = question("1.2.3")
    delattr(said, keyword)
    return said


def with_item(**values):
    said = question("1.2.3")
    for keyword, value in values.items():
        setattr(said.ReferencedSOPSequence[0], keyword, value)
    return said


WRONG = {
    "no transaction": (without("TransactionUID"), {}, Refused.NO_SUCH_ARGUMENT),
    "no references": (without("ReferencedSOPSequence"), {}, Refused.NO_SUCH_ARGUMENT),
    "empty references": (question(), {}, Refused.INVALID_ARGUMENT),
    "a reference without class": (with_item(ReferencedSOPClassUID=""), {}, Refused.NO_SUCH_ARGUMENT),
    "the same reference twice": (question("1.2.3", "1.2.3"), {}, Refused.INVALID_ARGUMENT),
    "another action": (question("1.2.3"), {"action": 2}, Refused.NO_SUCH_ACTION),
    "another instance": (question("1.2.3"), {"instance": "1.2.3"}, Refused.NO_SUCH_INSTANCE),
    "another class": (
        question("1.2.3"),
        {"sop_class": "1.2.840.10008.5.1.4.34.6.1"},
        Refused.CLASS_INSTANCE_CONFLICT,
    ),
    "no argument at all": (None, {}, Refused.NO_SUCH_ARGUMENT),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_request_is_refused_with_its_own_status_and_not_kept(hospital, what):
    said, how, why = WRONG[what]
    with modality(hospital.port) as one:
        assert ask_raw(one.association, encoded(said), **how).Status == why
        assert one.ask(question("1.2.5")) == 0, "the association goes on"
    assert len(list(hospital.inbox.transactions.asked())) == 1


@pytest.mark.parametrize(
    ("what", "comment"),
    [
        ("empty references", "The request names no instance"),
        ("the same reference twice", "The request names an instance twice"),
        ("a malformed reference", "ReferencedSOPInstanceUID is not written as DICOM requires"),
    ],
)
def test_an_invalid_argument_is_named(hospital, what, comment):
    """One sentence stood for all of them, and was wrong for a request without references."""
    wrong = {"a malformed reference": encoded(question("1.2.3")).replace(b"1.2.3\0", b"1.02.3")}
    with modality(hospital.port) as one:
        answer = ask_raw(one.association, wrong.get(what) or encoded(WRONG[what][0]))
    assert (answer.Status, answer.ErrorComment) == (0x0115, comment)
    assert len(comment) <= 64


def encoded(said):
    return b"" if said is None else encode(said, is_implicit_vr=False, is_little_endian=True)


def ask_raw(association, information, action=1, instance=COMMITMENT_INSTANCE, sop_class=COMMITMENT):
    request = N_ACTION()
    request.MessageID, request.ActionTypeID = 1, action
    request.RequestedSOPClassUID, request.RequestedSOPInstanceUID = sop_class, instance
    if information:
        request.ActionInformation = BytesIO(information)
    association._reactor_checkpoint.clear()
    while not association._is_paused:
        time.sleep(0.001)
    association.dimse.send_msg(request, association.accepted_contexts[0].context_id)
    _, answer = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    return answer


def nested(depth):
    """A references sequence of references sequences, of undefined lengths: parsers recurse on it."""
    head = struct.pack("<HH2sHL", 0x0008, 0x1199, b"SQ", 0, 0xFFFFFFFF)
    return (head + struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)) * depth


HOSTILE = {
    "deep": (nested(5000), Refused.PROCESSING_FAILURE),
    "truncated": (encoded(question("1.2.3"))[:-3], Refused.PROCESSING_FAILURE),
    "noise": (bytes(range(256)) * 40, Refused.PROCESSING_FAILURE),
    "a UID that is a path": (
        encoded(question("1.2.3")).replace(b"1.2.3\0", b"../../"),
        Refused.INVALID_ARGUMENT,
    ),
    "references that are a text": (
        struct.pack("<HH2sH", 0x0008, 0x1195, b"UI", 4)
        + b"1.2\0"
        + struct.pack("<HH2sH", 0x0008, 0x1199, b"LO", 4)
        + b"none",
        Refused.MISTYPED_ARGUMENT,
    ),
    "too many": (
        struct.pack("<HH2sH", 0x0008, 0x1195, b"UI", 4)
        + b"1.2\0"
        + struct.pack("<HH2sHL", 0x0008, 0x1199, b"SQ", 0, 8 * 50_001)
        + struct.pack("<HHL", 0xFFFE, 0xE000, 0) * 50_001,
        Refused.RESOURCE_LIMITATION,
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_requests_are_refused_and_the_receiver_answers_on(hospital, what):
    information, why = HOSTILE[what]
    with modality(hospital.port) as one:
        assert ask_raw(one.association, information).Status == why
        assert one.ask(question("1.2.5")) == 0


def test_a_transaction_uid_in_use_is_refused_for_other_objects_and_free_for_the_same_again(hospital):
    with modality(hospital.port) as one:
        assert one.ask(question("1.2.3", transaction="1.2.99")) == 0
        assert one.ask(question("1.2.4", transaction="1.2.99")) == Refused.DUPLICATE_TRANSACTION
        judge_all(hospital.inbox)
        assert one.ask(question("1.2.4", transaction="1.2.99")) == Refused.DUPLICATE_TRANSACTION
        assert one.ask(question("1.2.3", transaction="1.2.99")) == 0
        assert len(list(hospital.inbox.transactions.asked())) == 1
        for _, request in list(hospital.inbox.transactions.asked()):
            assert request.transaction_uid == "1.2.99"
        judge_all(hospital.inbox)
        hospital.inbox.transactions.forget_old(timedelta(seconds=-60))
        assert one.ask(question("1.2.4", transaction="1.2.99")) == 0


def test_a_disk_that_says_no_promises_nothing(made, tmp_path):
    port = made.free_port()
    with made.receiver_process(tmp_path, port, FSIZE=1 << 16), modality(port) as one:
        many = question(*(f"1.2.{number}" for number in range(2000)))
        assert one.ask(many) == Refused.RESOURCE_LIMITATION
        assert one.ask(question("1.2.3")) == 0
    assert len(list(made.inbox(tmp_path).transactions.asked())) == 1
    assert list((tmp_path / "inbox" / "tmp").iterdir()) == []


def test_requests_that_nobody_takes_are_bounded(hospital, monkeypatch):
    monkeypatch.setattr("scp.transactions.MOST_ASKED", 1)
    assert MOST_ASKED == 10_000
    with modality(hospital.port) as one:
        assert one.ask(question("1.2.3")) == 0
        assert one.ask(question("1.2.4")) == Refused.RESOURCE_LIMITATION


def test_a_removed_peer_is_told_so(hospital, made):
    with modality(hospital.port) as one:
        made.write_peers(hospital.folder / "peers.json", "OTHER")
        assert one.ask(question("1.2.3")) == Refused.NOT_AUTHORISED


def test_a_damaged_request_is_set_aside(hospital):
    with modality(hospital.port) as one:
        one.ask(question("1.2.3"))
    ((key, _),) = hospital.inbox.transactions.asked()
    folder = hospital.folder / "inbox" / "commitments"
    (folder / "asked" / key).write_bytes(b'{"origin"')
    assert list(hospital.inbox.transactions.asked()) == []
    assert [path.name for path in (folder / "damaged").iterdir()] == [key]


# --- the report ---------------------------------------------------------------------------------------------------


def test_the_report_comes_on_the_same_association_while_objects_go_on(hospital, made):

    image = dcmread(BytesIO(made.object()))
    with modality(hospital.port, contexts=[build_context(CT)]) as one:
        assert one.ask(question("1.2.3", "1.2.4", transaction="1.2.99")) == 0
        assert one.ask(question("1.2.5", transaction="1.2.100")) == 0
        judge_all(hospital.inbox, failed={"1.2.4"})
        made.wait_for(lambda: len(one.reports) == 2)
        assert one.association.send_c_store(image).Status == 0, "the association goes on"
        made.wait_for(lambda: len(hospital.inbox.transactions.reported()) == 2)
    reports = {str(said.TransactionUID): (kind, said) for kind, said in one.reports}
    kind, said = reports["1.2.99"]
    assert kind == 2
    assert [each.ReferencedSOPInstanceUID for each in said.ReferencedSOPSequence] == ["1.2.3"]
    assert [(each.ReferencedSOPInstanceUID, each.FailureReason) for each in said.FailedSOPSequence] == [
        ("1.2.4", 0x0112)
    ]
    kind, said = reports["1.2.100"]
    assert kind == 1
    assert "FailedSOPSequence" not in said


def test_a_report_that_the_peer_does_not_take_is_not_noted_as_taken(hospital, made):
    with modality(hospital.port) as one:
        one.answer = 0x0110
        assert one.ask(question("1.2.3")) == 0
        judge_all(hospital.inbox)
        made.wait_for(lambda: one.reports)
        assert one.ask(question("1.2.4")) == 0
    assert hospital.inbox.transactions.reported() == []


def test_whoever_asks_for_a_role_is_told_that_ours_is_the_scp(hospital):
    with modality(hospital.port, roles=[build_role(COMMITMENT, scu_role=True, scp_role=True)]) as one:
        (context,) = one.association.accepted_contexts
        assert (context.as_scu, context.as_scp) == (True, False)
        answered = one.association.acceptor.role_selection[COMMITMENT]
        assert (answered.scu_role, answered.scp_role) == (True, False)


@contextmanager
def listening(made, one, supports=True):
    """The modality's own receiver, which plays the SCU of commitment although it is called."""
    ae, port = AE("HOSPITAL"), made.free_port()
    if supports:
        ae.add_supported_context(COMMITMENT, scu_role=False, scp_role=True)
    else:
        ae.add_supported_context(CT)
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, one.on_report)])
    try:
        yield Endpoint("HOSPITAL", "127.0.0.1", port)
    finally:
        server.shutdown()


def judgement():
    return Judgement("1.2.99", (Reference(CT, "1.2.3"),), ((Reference(CT, "1.2.4"), FailureReason.NO_SUCH_INSTANCE),))


def test_the_report_comes_on_an_association_of_ours_with_the_roles_reversed(made):
    one = Modality()
    with listening(made, one) as endpoint:
        Sender("OVERREAD", 10).report_commitment(endpoint, judgement())
    ((kind, said),) = one.reports
    assert (kind, said.TransactionUID) == (2, "1.2.99")
    assert said.FailedSOPSequence[0].FailureReason == 0x0112


def test_a_peer_that_does_not_take_the_report_is_an_error(made):
    one = Modality(answer=0x0110)
    with listening(made, one) as endpoint, pytest.raises(PeerRefused, match="status 0110"):
        Sender("OVERREAD", 10).report_commitment(endpoint, judgement())
    with listening(made, one, supports=False) as endpoint, pytest.raises(PeerRefused, match="none of what we offer"):
        Sender("OVERREAD", 10).report_commitment(endpoint, judgement())
    with pytest.raises(PeerUnavailable):
        Sender("OVERREAD", 2).report_commitment(Endpoint("HOSPITAL", "127.0.0.1", made.free_port()), judgement())


def test_every_status_has_its_sentence_and_it_fits_an_error_comment():
    assert set(REFUSALS) == set(Refused)
    assert set(FAILURES) == set(FailureReason)
    assert [words for words, _ in REFUSALS.values() if len(words) > 64] == []
