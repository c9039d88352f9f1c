"""Everything that the processes of one installation are built from, made out of its settings."""

from __future__ import annotations

from dataclasses import dataclass

from config.database import Database, connect
from config.keys import KeyRing
from config.settings import Settings
from dicomweb.baked import Baked
from dicomweb.ready import ReadyMetadata
from gateway.altered import note_altered
from gateway.installation import Folders, Secrets, read_secrets
from gateway.unlocking import unlock
from gateway.watching import Bell
from gateway.ways import Ways, ways_of
from orthanc.archive import Archive
from orthanc.cache import ReadCache
from orthanc.decoder import Decoder
from scp.inbox import Inbox
from scp.sender import Sender
from worklist.prior_file import read_prior_rules
from worklist.prior_rules import PriorRules
from worklist.routing import Routing, load_rules


@dataclass(frozen=True, slots=True)
class Parts:
    """The pieces, connected to nothing yet."""

    settings: Settings
    folders: Folders
    secrets: Secrets
    database: Database
    archive: Archive
    cache: ReadCache
    baked: Baked
    ring: KeyRing
    decoder: Decoder
    inbox: Inbox
    sender: Sender
    ways: Ways
    routing: Routing
    prior_rules: PriorRules


def build_parts(settings: Settings) -> Parts:
    """Build them; no connection is opened and nothing listens. Raises Explained for wrong keys or rules."""
    folders = Folders(settings.data)
    ring = unlock(settings)
    archive = Archive(
        settings.archive.url,
        settings.archive.username,
        settings.archive.password.get_secret_value(),
        connections=settings.archive.connections,
        timeout=settings.archive.timeout,
    )
    ways, routing = ways_of(settings), load_rules(settings.routing_file)
    database = connect(settings.database_url, Bell(folders.bell).ring)
    cache = ReadCache(folders.cache, settings.cache.max_bytes, archive, ring, lambda one: note_altered(database, one))
    return Parts(
        settings=settings,
        folders=folders,
        secrets=read_secrets(folders),
        database=database,
        archive=archive,
        cache=cache,
        baked=Baked(cache, database, ReadyMetadata(database, ring)),
        ring=ring,
        inbox=Inbox(folders.inbox, settings.dicom.inbox_keep_free, ring, settings.archive.max_object_bytes),
        decoder=Decoder(),
        sender=ways.sender,
        ways=ways,
        routing=routing,
        prior_rules=read_prior_rules(settings.priors_file, dict(routing.rules.words)),
    )
