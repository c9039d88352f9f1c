"""The receiver: one process that takes objects by DICOM until it is told to stop; several may share the port."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import structlog
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.presentation import build_context
from pynetdicom.transport import ThreadedAssociationServer

from scp.committing import on_n_action
from scp.counters import Counters
from scp.inbox import Inbox
from scp.negotiation import VERIFICATION, Policy, on_common_extended, on_requested
from scp.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from scp.peers import PeerBook
from scp.storing import Door, on_c_echo, on_c_store
from scp.transport import BoundedHandler, BoundedServer, Limits

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


class Receiver:
    """A listening application entity; `port` is the real one even where 0 was asked for."""

    def __init__(self, settings: ReceiverSettings, book: PeerBook, inbox: Inbox) -> None:
        """Listen at once; raise OSError if the port cannot be had."""
        _config.LOG_HANDLER_LEVEL = "none"  # pynetdicom would format every PDU for a log that nobody reads
        self._settings = settings
        self._counters = Counters(settings.counters, settings.process)
        self._door = Door(book, inbox, self._counters)
        policy = Policy(settings.ae_title, settings.max_associations, book, self._counters)
        ae = _application_entity(settings)
        self._server = cast(
            BoundedServer,
            ae.make_server(
                (settings.host, settings.port),
                evt_handlers=[
                    (evt.EVT_REQUESTED, on_requested, [policy]),
                    (evt.EVT_SOP_COMMON, on_common_extended),
                    (evt.EVT_C_STORE, on_c_store, [self._door]),
                    (evt.EVT_C_ECHO, on_c_echo, [self._door]),
                    (evt.EVT_N_ACTION, on_n_action, [self._door, inbox.transactions]),
                ],
                server_class=BoundedServer,
                request_handler=BoundedHandler,
            ),
        )
        self._server.limits = settings.limits
        ae._servers.append(cast(ThreadedAssociationServer, self._server))
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), daemon=True)

    def start(self) -> None:
        """Begin to answer, in threads of its own."""
        self._thread.start()

    def save_counters(self) -> None:
        """Write the counters; a full disk costs a log line and nothing else."""
        try:
            self._counters.save()
        except OSError:
            log.exception("could not write the counters")

    def stop(self) -> None:
        """Take no more connections, let objects that are being kept finish briefly, and close the rest."""
        self._server.shutdown()
        deadline = time.monotonic() + self._settings.stop_seconds
        while (live := self._server.active_associations) and time.monotonic() < deadline:
            for association in live:
                if not self._door.is_busy(association):
                    _close(association)
            time.sleep(0.05)
        self.save_counters()


def serve(settings: ReceiverSettings, book: PeerBook, inbox: Inbox, on_ready: Callable[[int], object]) -> None:
    """Receive in the foreground until SIGTERM or SIGINT; call `on_ready` with the port once connections are answered.

    Must be called in the main thread. Raises OSError if the port or the inbox cannot be had.
    """
    stop = threading.Event()
    with _stop_on_signals(stop):
        inbox.sweep()
        receiver = Receiver(settings, book, inbox)
        receiver.start()
        log.info("receiver ready", ae_title=settings.ae_title, port=receiver.port)
        on_ready(receiver.port)
        while not stop.wait(_SAVE_EVERY):
            receiver.save_counters()
        receiver.stop()
        log.info("receiver stopped", port=receiver.port)


def _application_entity(settings: ReceiverSettings) -> AE:
    ae = AE(settings.ae_title)
    ae.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    ae.maximum_pdu_size = settings.max_pdu
    ae.maximum_associations = 1 << 16  # Policy counts them, without idle connections
    ae.acse_timeout = 15
    ae.network_timeout = settings.idle_seconds
    ae.dimse_timeout = settings.idle_seconds
    ae.supported_contexts = [build_context(VERIFICATION)]  # Policy adds to it what each association asks for
    return ae


def _close(association: Association) -> None:
    time.sleep(0.02)  # an answer that was just given leaves first
    association.abort()


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
