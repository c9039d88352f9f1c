"""A log that cannot be written stops nobody: a full disk of the log once turned A700 into C211 and ended receivers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from gateway.logs import SurvivingLogger

PROGRAM = """
import sys
import structlog
from gateway.logs import write_structured_logs

write_structured_logs()
log = structlog.get_logger()
for _ in range(3):
    try:
        raise OSError(28, "No space left on device")
    except OSError:
        log.exception("could not keep an instance")
sys.stderr.write("went on")
"""


def test_a_full_disk_under_the_log_raises_nothing_into_the_caller() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([sys.executable, "-c", PROGRAM], stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.stderr, done.returncode) == (b"went on", 0)


def test_lost_lines_are_counted_and_told_when_there_is_room_again(tmp_path) -> None:
    log = (tmp_path / "log").open("ab")
    full = os.open("/dev/full", os.O_WRONLY)
    out = os.dup(full)
    logger = SurvivingLogger(out)
    logger.msg("one")
    logger.info("two")
    assert logger.lost == 2
    os.dup2(log.fileno(), out)
    logger.msg("three")
    logger.msg("four")
    lines = (tmp_path / "log").read_text().splitlines()
    assert json.loads(lines[0]) == {"event": "log lines were lost", "lines": 2}
    assert lines[1:] == ["three", "four"]
    assert logger.lost == 0
    log.close()
    os.close(full)
    os.close(out)
