"""The clock jumps by days, forwards and backwards, while a study is pushed: nothing is lost, nothing waits for days.

Every Python process of the installation goes by a clock that is stepped while it runs: nobody may set this machine's,
and libfaketime (0.9.10) breaks sleeping. The times of files, and Orthanc's clock, are those of the machine.
"""

from __future__ import annotations

from pathlib import Path

import pytest

STEPPED = """
import datetime, time
from pathlib import Path

_file, _time, _time_ns, _real = Path({file!r}), time.time, time.time_ns, datetime.datetime
_seen = [float("-inf"), 0]

def _offset():
    if time.monotonic() - _seen[0] > 0.1:
        _seen[:] = time.monotonic(), int(_file.read_text())
    return _seen[1]

class _Kind(type):
    def __instancecheck__(self, other):
        return isinstance(other, _real)

class _Stepped(_real, metaclass=_Kind):
    def __new__(cls, *args, **more):
        return _real(*args, **more)

    @classmethod
    def now(cls, tz=None):
        return _real.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls):
        return _real.fromtimestamp(time.time(), datetime.timezone.utc).replace(tzinfo=None)

time.time = lambda: _time() + _offset()
time.time_ns = lambda: _time_ns() + _offset() * 10**9
datetime.datetime = _Stepped
"""
DAY = 86400


class Clock:
    """The clock of every process that is started with this `environment`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._file = folder / "offset"
        (folder / "sitecustomize.py").write_text(STEPPED.format(file=str(self._file)))
        self.environment = {"PYTHONPATH": str(folder)}
        self.set_by(0)

    def set_by(self, days: int) -> None:
        """So many days later than it is, or earlier."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(days * DAY))
        fresh.replace(self._file)


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_a_clock_that_jumps_by_days_loses_nothing_and_holds_nothing_up(
    start_installation, make_ledger, outside, tmp_path
) -> None:
    clock, ledger = Clock(tmp_path / "clock"), make_ledger(300)
    with start_installation(environment=clock.environment) as installation:
        token = installation.token("coordinator@demo.example")
        with outside.pushing(ledger, installation.dicom, associations=2):
            for days in (3, -2, 5, -1):
                before = len(ledger.acknowledged)
                outside.wait(lambda before=before: len(ledger.acknowledged) > before + 40, 120, "the push")
                clock.set_by(days)
            outside.wait(lambda: not ledger.left(), 120, "the rest of the push")
        outside.keeps_its_promise(installation, ledger)
        assert len(ledger.acknowledged) == len(ledger.files)
        assert "the clock was set back" in installation.log_tail(100_000)

        def is_a_case() -> bool:
            cases = installation.api("GET", "/api/v1/cases?state=READY", token)[1]["cases"]
            return any(ledger.study_uid in case["study_uids"] for case in cases)

        outside.wait(is_a_case, 60, "a case for the study")
