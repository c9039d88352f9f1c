"""What we rely on within pynetdicom, in one place: a new version that changes it must fail here, not at a hospital.

docs/explanation/receiver.md lists it with the reasons.
"""

import inspect
import queue

import pynetdicom
from pydicom.uid import CTImageStorage
from pynetdicom import AE, fsm
from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu import A_ABORT_RQ
from pynetdicom.pdu_primitives import A_P_ABORT
from pynetdicom.presentation import build_context, negotiate_as_acceptor
from pynetdicom.transport import AssociationServer, AssociationSocket, RequestHandler, ThreadedAssociationServer


def test_the_version_is_one_that_was_looked_at():
    assert pynetdicom.__version__.startswith("3.0.")


def test_an_association_and_its_provider_have_the_parts_that_we_replace_or_read():
    association = Association(AE(), "acceptor")
    dul = association.dul
    for part in (dul.to_provider_queue, dul.to_user_queue, dul.event_queue, association.dimse.msg_queue):
        assert isinstance(part, queue.Queue)
    assert association._accepted_cx == {}
    assert dul._kill_thread is False
    assert dul._run_loop_delay == 0.001
    assert dul.state_machine.current_state == "Sta1"
    assert callable(dul._idle_timer.restart)


def test_the_transport_thread_asks_ready_before_it_reads_and_reads_with_recv():
    reactor = inspect.getsource(DULServiceProvider.run_reactor)
    assert reactor.index("_process_recv_primitive") < reactor.index("_is_transport_event")
    assert "self.socket.ready" in inspect.getsource(DULServiceProvider._is_transport_event)
    reading = inspect.getsource(DULServiceProvider._read_pdu_data)
    assert "self.socket.recv(6)" in reading
    assert "self.socket.recv(pdu_length)" in reading
    assert isinstance(inspect.getattr_static(AssociationSocket, "ready"), property)


def test_messages_are_put_together_in_the_transport_thread():
    assert "receive_primitive" in inspect.getsource(fsm.DT_2)
    assert fsm.TRANSITION_TABLE["Evt10", "Sta6"] == "DT-2"


def test_an_abort_of_the_provider_is_sent_with_its_reason():
    assert fsm.TRANSITION_TABLE["Evt15", "Sta6"] == "AA-1"
    primitive = A_P_ABORT()
    primitive.provider_reason = 5
    assert A_ABORT_RQ(primitive).encode()[8:] == b"\2\5"


def test_the_contexts_are_there_before_the_acceptance_is_sent():
    from pynetdicom.acse import ACSE

    negotiation = inspect.getsource(ACSE._negotiate_as_acceptor)
    assert negotiation.index("_accepted_cx") < negotiation.index("self.send_accept()")


def test_the_server_lets_us_accept_and_make_the_association():
    for owner, names in {
        RequestHandler: ("_create_association", "handle", "local", "remote"),
        AssociationServer: ("get_request", "server_bind", "process_request", "active_associations", "bind"),
        ThreadedAssociationServer: ("process_request_thread",),
        Association: ("run_reactor", "set_socket", "abort"),
        AssociationSocket: ("_create_socket", "_shutdown_socket", "recv", "send", "close"),
    }.items():
        assert all(hasattr(owner, name) for name in names), owner
    assert "make_target(self.run_reactor)" in inspect.getsource(Association.__init__)
    assert '"AcceptorThread" in' in inspect.getsource(AssociationServer.active_associations.fget)


def test_negotiation_only_reads_what_we_support():
    offered, supported = build_context(CTImageStorage), build_context(CTImageStorage)
    offered.context_id = 1
    before = dict(vars(supported)) | {"_transfer_syntax": list(supported.transfer_syntax)}
    (agreed,), _ = negotiate_as_acceptor([offered], [supported], {CTImageStorage: (True, True)})
    assert agreed.result == 0
    assert agreed is not supported
    assert vars(supported) == before
