"""Structured logs: one JSON object per line, never with who the patient is.

A log that cannot be written stops nobody.
"""

from __future__ import annotations

import json
import logging
import os
import traceback
from datetime import UTC, datetime
from pathlib import PurePath
from threading import Lock

import structlog

OF_PEERS = ("pynetdicom", "pydicom")
"""Libraries whose errors are what somebody outside sent: of these the place is enough, a traceback of each is not."""
MOST_CHARACTERS = 500


class SurvivingLogger:
    """Writes whole lines to a file descriptor; on a full disk it loses lines, counts them, and says so later."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = Lock()
        self.lost = 0

    def msg(self, message: str) -> None:
        """Write one line. Never raises because of the disk: whoever logs has more important things to do."""
        with self._lock:
            if self.lost and self._write(json.dumps({"event": "log lines were lost", "lines": self.lost})):
                self.lost = 0
            if not self._write(message):
                self.lost += 1

    debug = info = warning = error = critical = exception = msg

    def _write(self, message: str) -> bool:
        try:
            left = message.encode(errors="replace") + b"\n"
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError:
            return False
        return True


class Told(logging.Handler):
    """Lines of libraries in the form of ours: what a stranger sent is never raw in them, nor longer than a line."""

    def __init__(self, out: SurvivingLogger) -> None:
        super().__init__()
        self._out = out

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            said = record.getMessage()
        except (TypeError, ValueError, KeyError):
            said = str(record.msg)
        line = {"event": said[:MOST_CHARACTERS], "logger": record.name, "level": record.levelname.lower()}
        at = datetime.fromtimestamp(record.created, UTC).isoformat()
        self._out.msg(json.dumps(line | _exception(record) | {"timestamp": at}))


def _exception(record: logging.LogRecord) -> dict[str, str]:
    kind, error, trace = record.exc_info or (None, None, None)
    if kind is None:
        return {}
    if record.name.partition(".")[0] not in OF_PEERS:
        return {"exception": "".join(traceback.format_exception(kind, error, trace))}
    last = traceback.extract_tb(trace)[-1:]
    return {"error": kind.__name__, "at": "".join(f"{PurePath(each.filename).name}:{each.lineno}" for each in last)}


def write_structured_logs() -> None:
    """Let structlog write JSON lines to this process's standard output, which its parent keeps in a file."""
    logger = SurvivingLogger(1)
    logging.basicConfig(level=logging.WARNING, handlers=[Told(logger)], force=True)
    logging.captureWarnings(True)  # a UID that pydicom does not like would stand raw on stderr
    logging.raiseExceptions = False  # what the standard library cannot write is dropped without a word
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: logger,
        cache_logger_on_first_use=True,
    )
