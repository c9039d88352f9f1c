"""The receiver: one process that takes objects by DICOM until it is told to stop; several may share the port."""

import gc
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from ssl import SSLContext
from typing import Final, cast

import structlog
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.presentation import build_context
from pynetdicom.transport import ThreadedAssociationServer

from scp.answering import on_c_find
from scp.bounded import Brought
from scp.callers import Callers
from scp.committing import on_n_action
from scp.counters import Count, Counters
from scp.endings import Endings
from scp.inbox import Inbox
from scp.limits import Limits
from scp.listening import BoundedAssociation, BoundedHandler, BoundedServer
from scp.negotiation import (
    VERIFICATION,
    Policy,
    Rejection,
    on_accepted,
    on_common_extended,
    on_requested,
    turn_away,
)
from scp.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from scp.peers import PeerBook
from scp.presence import Presence
from scp.queries import Ask, nobody_knows
from scp.storing import Door, on_c_echo
from scp.uid_checks import check_once

log = structlog.get_logger()

_SAVE_EVERY: Final = 2.0


@dataclass(frozen=True, slots=True)
class ReceiverSettings:
    """How one receiving process listens. `process` names its counters and must differ between processes."""

    counters: Path
    ae_title: str = "OVERREAD"
    host: str = "0.0.0.0"  # noqa: S104 - hospitals come from outside
    port: int = 11112
    process: str = "dicom-0"
    max_associations: int = 32
    max_pdu: int = 131_072
    idle_seconds: float = 60.0
    stop_seconds: float = 10.0
    limits: Limits = field(default_factory=Limits)
    tls: SSLContext | None = None
    tls_port: int = 0
    """Where TLS is spoken, if there is a context for it."""


class Receiver:
    """A listening application entity; `port` is the real one even where 0 was asked for."""

    def __init__(self, settings: ReceiverSettings, book: PeerBook, inbox: Inbox, ask: Ask = nobody_knows) -> None:
        """Listen at once; `ask` answers queries. Raise OSError if a port cannot be had."""
        _config.LOG_HANDLER_LEVEL = "none"  # pynetdicom would format every PDU for a log that nobody reads
        self._settings, self._ask = settings, ask
        self._counters = Counters(settings.counters, settings.process)
        self._presence = Presence(settings.counters, settings.process)
        self._door = Door(book, inbox, self._counters, self._presence, settings.ae_title)
        self._callers = Callers(settings.counters, settings.process)
        self._endings = Endings(settings.counters, settings.process)
        self._policy = Policy(settings.ae_title, settings.max_associations, book, self._counters, self._callers)
        self._ae = _application_entity(settings)
        self._servers = [self._listen(settings.port, None)]
        if settings.tls is not None:
            self._servers.append(self._listen(settings.tls_port, settings.tls))
        self.port: int = self._servers[0].server_address[1]
        self.tls_port: int = self._servers[-1].server_address[1]

    def start(self) -> None:
        """Begin to answer, in threads of its own."""
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.2,), daemon=True).start()

    def save_counters(self) -> None:
        """Write the counters, and what is being sent; a full disk costs a log line and nothing else."""
        try:
            self._counters.save()
            self._presence.save()
            self._callers.save()
            self._endings.save()
        except OSError as error:  # no traceback: without descriptors, there is nothing to make one with
            log.warning("could not write the counters", error=error.strerror)

    def stop(self) -> None:
        """Take no more connections, let objects that are being kept finish briefly, and close the rest."""
        self._door.closing.set()
        for server in self._servers:
            server.shutdown()
        deadline = time.monotonic() + self._settings.stop_seconds
        while (live := self._live()) and time.monotonic() < deadline:
            _close(association for association in live if not self._door.is_busy(association))
            time.sleep(0.05)
        _close(live)
        self.save_counters()

    def _turn_away(self, address: str, why: str) -> None:
        self._counters.add(Count.UNHEARD)
        self._callers.turned_away("", "", address, why)

    def _ended(self, association: Association, brought: Brought) -> None:
        """Take down what was released, and what was cut in the middle of a study. Idle is not cut."""
        if association.is_released:
            self._endings.released(brought.images)
            return
        peer = self._door.book.find(association.requestor.ae_title)
        waits = brought.unfinished is None and brought.silent >= self._settings.idle_seconds
        if peer is None or waits or (not brought.images and brought.unfinished is None):
            return
        last = next(reversed(brought.images), (peer.origin, ""))
        sent = peer.origin, brought.unfinished or last[1]
        images = brought.images.get(sent, 0)
        self._endings.cut(sent, peer.ae_title, images, in_image=brought.unfinished is not None)

    def _live(self) -> list[BoundedAssociation]:
        found = [association for server in self._servers for association in server.active_associations]
        return cast(list[BoundedAssociation], found)

    def _listen(self, port: int, context: SSLContext | None) -> BoundedServer:
        made = self._ae.make_server(
            (self._settings.host, port),
            evt_handlers=[
                (evt.EVT_REQUESTED, _on_requested, [self._policy, self._settings.limits]),
                (evt.EVT_ACCEPTED, on_accepted, [self._policy]),
                (evt.EVT_SOP_COMMON, on_common_extended),
                (evt.EVT_C_ECHO, on_c_echo, [self._counters]),
                (evt.EVT_C_FIND, on_c_find, [self._door, self._ask]),
                (evt.EVT_N_ACTION, on_n_action, [self._door, self._door.inbox.transactions]),
            ],
            ssl_context=context,
            server_class=BoundedServer,
            request_handler=BoundedHandler,
        )
        server = cast(BoundedServer, made)
        server.guard(self._settings.limits, self._door, self._turn_away, self._ended)
        self._ae._servers.append(cast(ThreadedAssociationServer, server))
        return server


def serve(
    settings: ReceiverSettings,
    book: PeerBook,
    inbox: Inbox,
    on_ready: Callable[[int], object],
    ask: Ask = nobody_knows,
) -> None:
    """Receive in the foreground until SIGTERM or SIGINT; call `on_ready` with the port once connections are answered.

    Must be called in the main thread. Raises OSError if the port or the inbox cannot be had.
    """
    stop = threading.Event()
    check_once()
    with _stop_on_signals(stop):
        inbox.sweep()
        receiver = Receiver(settings, book, inbox, ask)
        receiver.start()
        _spare_the_collector()
        log.info("receiver ready", ae_title=settings.ae_title, port=receiver.port)
        on_ready(receiver.port)
        while not stop.wait(_SAVE_EVERY):
            receiver.save_counters()
        receiver.stop()
        log.info("receiver stopped", port=receiver.port)


def _spare_the_collector() -> None:
    """What is there after the start stays: the cyclic collector need not walk it again and again."""
    gc.collect()
    gc.freeze()


def _application_entity(settings: ReceiverSettings) -> AE:
    ae = AE(settings.ae_title)
    ae.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    ae.maximum_pdu_size = settings.max_pdu
    ae.maximum_associations = 1 << 16  # Policy counts them, without idle connections
    ae.acse_timeout = settings.limits.request_seconds  # ARTIM, too
    ae.network_timeout = settings.idle_seconds
    ae.dimse_timeout = settings.idle_seconds
    ae.supported_contexts = [build_context(VERIFICATION)]  # Policy adds to it what each association asks for
    return ae


def _on_requested(event: Event, policy: Policy, limits: Limits) -> None:
    """Let no address have all the associations; the rest is for the policy."""
    assoc = event.assoc
    here = sum(
        one.is_established and one.requestor.address == assoc.requestor.address for one in assoc.ae.active_associations
    )
    if here < limits.associations_per_address:
        return on_requested(event, policy)
    return turn_away(policy, assoc, Rejection.FULL)


def _close(associations: Iterable[BoundedAssociation]) -> None:
    time.sleep(0.02)  # an answer that was just given leaves first
    for association in associations:
        association.close()


@contextmanager
def _stop_on_signals(stop: threading.Event) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, lambda *_: stop.set())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
