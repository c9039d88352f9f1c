"""One receiving process. It needs neither database nor archive: it stays up when either is down."""

from __future__ import annotations

import structlog

from config.settings import Settings
from gateway.dicom_tls import for_listener
from gateway.installation import Folders
from gateway.queries import asker
from gateway.readiness import mark_ready
from gateway.unlocking import unlock
from scp.inbox import Inbox
from scp.limits import Limits
from scp.peers import PeerBook
from scp.server import ReceiverSettings, serve

log = structlog.get_logger()


def serve_dicom(settings: Settings, part: str) -> None:
    """Receive until SIGTERM. Raises Explained for wrong keys."""
    folders = Folders(settings.data)
    if not folders.peers.exists():
        log.warning("nobody is let in before the worker of this machine has written who may send")
    keep_free, largest = settings.dicom.inbox_keep_free, settings.archive.max_object_bytes
    inbox = Inbox(folders.inbox, keep_free, unlock(settings), largest)
    how = ReceiverSettings(
        counters=folders.counters,
        ae_title=settings.dicom.ae_title,
        host=settings.dicom.host,
        port=settings.dicom.port,
        process=part,
        max_associations=settings.dicom.max_associations,
        idle_seconds=settings.dicom.idle_seconds,
        limits=Limits(object_bytes=settings.dicom.max_object_bytes),
        tls=for_listener(settings.dicom.tls),
        tls_port=settings.dicom.tls.port,
    )
    serve(how, PeerBook(folders.peers), inbox, mark_ready(folders, part), asker(folders.queries))
