"""The worker's end of the socket on which receivers ask: a thread for each query, few at the same time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer
from typing import Final, cast

import orjson
import structlog

from config.database import Database
from dicomweb.services import Access
from dicomweb.uids import is_uid
from gateway.access_log import AccessLog
from gateway.found import answers, site_of
from gateway.queries import short_name
from scp.queries import MOST_BYTES, Outcome, QueryEnded, Question

log = structlog.get_logger()

MOST_QUERIES: Final = 8
MOST_OF_A_SITE: Final = 4
MOST_OF_ONE: Final = 2
"""Queries at the same time, in all, of one site and of one AE title; one more is told to ask again."""
PATIENCE: Final = 30.0  # seconds for a receiver to take a line


class Places:
    """Who is being answered just now. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()
        self._sites: Counter[int | None] = Counter()

    @contextmanager
    def one_of(self, ae_title: str, site_id: int | None) -> Iterator[None]:
        """Hold a place for one query; of nobody's site where it is not known. Raises QueryEnded when there is none."""
        with self._lock:
            if (
                self._taken.total() >= MOST_QUERIES
                or self._taken[ae_title] >= MOST_OF_ONE
                or self._sites[site_id] >= MOST_OF_A_SITE
            ):
                raise QueryEnded(Outcome.BUSY)
            self._change(ae_title, site_id, 1)
        try:
            yield
        finally:
            with self._lock:
                self._change(ae_title, site_id, -1)

    def _change(self, ae_title: str, site_id: int | None, by: int) -> None:
        self._taken[ae_title] += by
        self._sites[site_id] += by


class _Handler(StreamRequestHandler):
    timeout = PATIENCE

    def handle(self) -> None:
        """Answer one question, line by line; a receiver that has heard enough closes."""
        server = cast("AnsweringServer", self.server)
        with suppress(OSError, ValueError, TypeError):
            question = Question(**orjson.loads(self.rfile.readline(4 * MOST_BYTES)))
            outcome, words = Outcome.NOT_NOW, ""
            try:
                self._answer(server, question)
                outcome = Outcome.SUCCESS
            except QueryEnded as ended:
                outcome, words = ended.outcome, str(ended)
            except OSError:
                outcome = Outcome.CANCELLED
                raise
            except Exception:  # noqa: BLE001  # the edge of a thread
                log.exception("a query could not be answered", peer=question.ae_title)
            finally:
                server.audit.note(_access(question, outcome))
            self._say({"end": outcome.name, "words": words})

    def _answer(self, server: AnsweringServer, question: Question) -> None:
        place = server.places.one_of(question.ae_title, site_of(server.database, question.ae_title))
        with place, closing(answers(server.database, question)) as found:
            for items, supported in found:
                self._say({"items": items, "supported": supported})

    def _say(self, said: dict[str, object]) -> None:
        self.wfile.write(orjson.dumps(said) + b"\n")


class AnsweringServer(ThreadingUnixStreamServer):
    """Listens on the socket; a file that a former worker left there is no obstacle."""

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, file: Path, database: Database) -> None:
        """Listen at once; raise OSError if that cannot be."""
        self.database, self.audit, self.places = database, AccessLog(database), Places()
        file.unlink(missing_ok=True)
        with short_name(file) as name:
            super().__init__(name, _Handler)
        file.chmod(0o600)


@contextmanager
def answering(file: Path, database: Database) -> Iterator[None]:
    """Answer queries during the block."""
    server = AnsweringServer(file, database)
    threading.Thread(target=server.serve_forever, args=(0.2,), name="queries", daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.socket.close()
        server.audit.stop()


def _access(question: Question, outcome: Outcome) -> Access:
    study_uid, series_uid = (question.keys.get(tag, "") for tag in ("0020000D", "0020000E"))
    return Access(
        person_id=None,
        action=f"search_{question.level.lower()}_by_c_find",
        study_uid=study_uid if is_uid(study_uid) else "",
        series_uid=series_uid if is_uid(series_uid) else "",
        case_id=None,
        status=outcome.status,
        address=question.address,
        ae_title=question.ae_title,
    )
