"""Structured logs: one JSON object per line, never with who the patient is.

A log that cannot be written stops nobody.
"""

from __future__ import annotations

import json
import logging
import os
from threading import Lock

import structlog


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


def write_structured_logs() -> None:
    """Let structlog write JSON lines to this process's standard output, which its parent keeps in a file."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    logging.raiseExceptions = False  # what the standard library cannot write is dropped without a word
    logger = SurvivingLogger(1)
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
