"""Messages on the wire: in order, odd, and wrong. The peer here writes every byte itself."""

import struct

import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

VERIFICATION = "1.2.840.10008.1.1"
ECHO, STORED = {"c_0100": 0x30, "c_0110": 9, "c_0800": 0x0101}, 0x0000
LAST, COMMAND = 2, 1
OUT_OF_ORDER, INVALID = (2, 5), (2, 6)
CT = "1.2.840.10008.5.1.4.1.1.2"
CONTEXTS = {1: (CT, ExplicitVRLittleEndian), 3: (VERIFICATION, ImplicitVRLittleEndian), 5: (CT, ImplicitVRLittleEndian)}


@pytest.fixture
def peer(hospital, made):
    with made.RawPeer(hospital.port, CONTEXTS) as raw:
        yield raw


@pytest.fixture(scope="module")
def untouched(tmp_path_factory, made):
    """A receiver to which nothing is sent that could be kept."""
    with made.receiving(tmp_path_factory.mktemp("untouched")) as hospital:
        yield hospital


@pytest.fixture
def villain(untouched, made):
    with made.RawPeer(untouched.port, CONTEXTS) as raw:
        yield raw


@pytest.fixture
def dataset(made):
    return made.dataset_of(made.object(SOPInstanceUID="1.2.3", pixels=3000))


def echo(peer, made):
    peer.send((3, COMMAND | LAST, made.command_set(c_0002=VERIFICATION, **ECHO)))
    return peer.answer()


def works(peer, made, dataset):
    """The association is as good as new."""
    peer.store(dataset, made.store_command(c_0110=21))
    return peer.answer() | {} and echo(peer, made)[0x0900] == 0


def test_the_answer_says_what_it_answers(peer, made, dataset):
    peer.store(dataset, made.store_command(c_0110=0xBEEF))
    answer = peer.answer()
    assert (answer[0x0100], answer[0x0120], answer[0x0800], answer[0x0900]) == (0x8001, 0xBEEF, 0x0101, STORED)


@pytest.mark.parametrize("size", [1, 2, 511, 4096])
def test_fragments_may_have_any_size(hospital, peer, made, dataset, size):
    peer.store(dataset, made.store_command(), size=size)
    assert peer.status() == STORED
    assert hospital.kept() == [dataset]


def test_a_command_in_fragments_over_several_pdus_is_one_command(hospital, peer, made, dataset):
    command = made.store_command()
    for at in range(0, len(command) - 10, 10):
        peer.send((1, COMMAND, command[at : at + 10]))
    peer.send((1, COMMAND | LAST, command[at + 10 :]), (1, LAST, dataset))
    assert peer.status() == STORED
    assert hospital.kept() == [dataset]


def test_one_pdu_may_hold_whole_messages_of_several_kinds(hospital, peer, made, dataset):
    ask = made.command_set(c_0002=VERIFICATION, **ECHO)
    peer.send(
        (1, COMMAND | LAST, made.store_command()),
        (1, 0, dataset[:100]),
        (1, LAST, dataset[100:]),
        (3, COMMAND | LAST, ask),
        (3, COMMAND | LAST, ask),
        (1, COMMAND | LAST, made.store_command(c_0110=8)),
        (1, LAST, dataset),
    )
    answers = sorted((peer.answer() for _ in range(4)), key=lambda answer: answer[0x0120])
    assert [answer[0x0120] for answer in answers] == [7, 8, 9, 9]
    assert hospital.kept() == [dataset, dataset]


def test_fragments_without_content_are_allowed(hospital, peer, made, dataset):
    peer.send(
        (1, COMMAND, b""), (1, COMMAND | LAST, made.store_command()), (1, 0, b""), (1, 0, dataset), (1, LAST, b"")
    )
    assert peer.status() == STORED
    assert hospital.kept() == [dataset]


def test_only_the_two_lowest_bits_of_the_control_header_count(hospital, peer, made, dataset):
    peer.send((1, 0xF0 | COMMAND | LAST, made.store_command()), (1, 0xF0 | LAST, dataset))
    assert peer.status() == STORED


def test_a_message_id_may_be_used_again_once_it_was_answered(hospital, peer, made, dataset):
    for _ in range(3):
        peer.store(dataset, made.store_command())
        assert peer.status() == STORED
    assert len(hospital.kept()) == 3


def test_requests_may_come_before_the_answers_to_those_before(hospital, peer, made, dataset):
    for number in range(20):
        peer.store(dataset, made.store_command(c_0110=number))
    assert [peer.answer()[0x0120] for _ in range(20)] == list(range(20))
    assert len(hospital.kept()) == 20


@pytest.mark.parametrize("longest", [16, 64, 120])
def test_an_answer_is_cut_to_what_the_peer_takes(hospital, made, dataset, longest):
    with made.RawPeer(hospital.port, CONTEXTS, longest_pdu=longest) as peer:
        peer.store(dataset[:-1], made.store_command())
        assert peer.status() == 0xC010
        peer.store(dataset, made.store_command())
        assert peer.status() == STORED


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"c_0800": 0x0101}, 0x0212),
        ({"c_0002": "1.2.840.10008.5.1.4.1.1.4"}, 0x0122),
        ({"c_0002": None}, 0x0122),
        ({"c_1000": "1.02.3"}, 0x0117),
        ({"c_1000": "../1"}, 0x0117),
        ({"c_1000": None}, 0x0117),
        ({"c_1000": "1.2.4"}, 0xA901),
        ({"c_0700": None}, STORED),
    ],
)
def test_what_is_odd_about_a_request_is_answered_and_the_association_goes_on(
    hospital, peer, made, dataset, changes, status
):
    if changes.get("c_0800") == 0x0101:
        peer.send((1, COMMAND | LAST, made.store_command(**changes)))
    else:
        peer.store(dataset, made.store_command(**changes))
    assert peer.status() == status
    assert works(peer, made, dataset)
    assert len(hospital.kept()) == (2 if status == STORED else 1)
    assert list((hospital.folder / "inbox" / "tmp").iterdir()) == []


def test_an_object_that_is_refused_early_is_let_go_to_its_end(hospital, peer, made, dataset):
    peer.store(b"\2\0\x10\0UI\2\0" + b"1\0" + bytes(900_000), made.store_command())
    assert peer.status() == 0xC014
    assert works(peer, made, dataset)


def test_a_store_in_the_context_of_another_service_is_refused(peer, made, dataset):
    peer.store(dataset, made.store_command(), context=3)
    assert peer.status() == 0x0122
    assert works(peer, made, dataset)


def test_a_peer_that_was_removed_may_not_store_on_an_old_association(hospital, peer, made, dataset):
    made.write_peers(hospital.folder / "peers.json", "OTHER")
    peer.store(dataset, made.store_command())
    assert peer.status() == 0x0124
    assert hospital.kept() == []


def _command_within_data(peer, made, dataset):
    peer.send((1, 3, made.store_command()), (1, 0, dataset[:50]))
    peer.send((1, 3, made.store_command()))


def _data_without_command(peer, made, dataset):
    peer.send((1, LAST, dataset))


def _data_within_command(peer, made, dataset):
    peer.send((1, COMMAND, made.store_command()[:40]), (1, LAST, dataset))


def _context_changes(peer, made, dataset):
    peer.send((1, 3, made.store_command()), (1, 0, dataset[:50]), (5, LAST, dataset[50:]))


def _context_changes_in_the_command(peer, made, dataset):
    command = made.store_command()
    peer.send((1, COMMAND, command[:20]), (5, 3, command[20:]))


def _unknown_context(peer, made, dataset):
    peer.send((7, 3, made.store_command()))


def _no_message_id(peer, made, dataset):
    peer.send((1, 3, made.store_command(c_0110=None)))


def _no_command_field(peer, made, dataset):
    peer.send((1, 3, made.store_command(c_0100=None)))


def _command_cut_short(peer, made, dataset):
    peer.send((1, 3, made.store_command()[:-3]))


def _data_set_as_command(peer, made, dataset):
    peer.send((1, 3, dataset))


def _endless_command(peer, made, dataset):
    peer.send((1, COMMAND, bytes(20_000)))


def _no_pdvs(peer, made, dataset):
    peer.connection.sendall(struct.pack(">BxL", 4, 0))


def _pdv_overruns(peer, made, dataset):
    peer.connection.sendall(struct.pack(">BxLLBB", 4, 6, 200, 1, 3))


def _pdv_cut_short(peer, made, dataset):
    peer.connection.sendall(struct.pack(">BxL", 4, 3) + b"\0\0\0")


def _pdv_without_header(peer, made, dataset):
    peer.connection.sendall(struct.pack(">BxLLBB", 4, 6, 1, 1, 3))


def _large_pdu(peer, made, dataset):
    peer.connection.sendall(struct.pack(">BxL", 4, 0xF0000000) + bytes(50_000))


WRONG = {
    _command_within_data: OUT_OF_ORDER,
    _data_without_command: OUT_OF_ORDER,
    _data_within_command: OUT_OF_ORDER,
    _context_changes: OUT_OF_ORDER,
    _context_changes_in_the_command: OUT_OF_ORDER,
    _unknown_context: INVALID,
    _no_message_id: INVALID,
    _no_command_field: INVALID,
    _command_cut_short: INVALID,
    _data_set_as_command: INVALID,
    _endless_command: INVALID,
    _no_pdvs: INVALID,
    _pdv_overruns: INVALID,
    _pdv_cut_short: INVALID,
    _pdv_without_header: INVALID,
    _large_pdu: INVALID,
}


@pytest.mark.parametrize("do_wrong", WRONG, ids=lambda one: one.__name__)
def test_what_breaks_the_protocol_is_aborted_with_its_reason_and_leaves_nothing(
    untouched, villain, made, dataset, do_wrong
):
    do_wrong(villain, made, dataset)
    assert villain.abort() == WRONG[do_wrong]
    assert untouched.kept() == []
    made.wait_for(lambda: list((untouched.folder / "inbox" / "tmp").iterdir()) == [])
    assert not untouched.receiver._door._busy


@pytest.mark.parametrize("bad", [b"\x08\0\0\0\0\4\0\0\0\0", b"\1\0\0\0\0\4\0\0\0\0"], ids=["no PDU", "second request"])
def test_pdus_that_do_not_belong_here_are_aborted(villain, bad):
    villain.connection.sendall(bad)
    assert villain.abort()[0] == 2


def test_a_release_in_the_middle_of_an_object_is_granted_and_nothing_is_kept(hospital, peer, made, dataset):
    peer.send((1, 3, made.store_command()), (1, 0, dataset[:50]))
    peer.connection.sendall(b"\5\0\0\0\0\4\0\0\0\0")
    assert peer.pdu()[:1] == b"\6"
    made.wait_for(lambda: list((hospital.folder / "inbox" / "tmp").iterdir()) == [])
    assert hospital.kept() == []


def test_the_data_set_of_another_service_is_not_taken_for_an_object(hospital, peer, made, dataset):
    """Nobody offers C-FIND here: pynetdicom answers as it likes, and the association goes on."""
    find = made.command_set(c_0002=VERIFICATION, c_0100=0x20, c_0110=4, c_0700=0, c_0800=1)
    peer.send((3, 3, find))
    peer.send((3, 0, b"\x08\0\x52\0"))
    peer.send((3, LAST, b"\4\0\0\0STUD"))
    assert peer.answer()[0x0100] == 0x8030  # its Verification service answers anything so
    assert works(peer, made, dataset)
    assert len(hospital.kept()) == 1
