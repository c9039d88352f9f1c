"""The form of a UID is looked at once in a receiving process, and what pynetdicom refused before it refuses still."""

import subprocess
import sys

import pytest
from pydicom import config
from pydicom.uid import UID
from pynetdicom import _config
from pynetdicom._validators import validate_ui
from pynetdicom.utils import set_uid

from scp.uid_checks import has_length

UIDS = ("1", "1.2.840.10008.1.1", "1." + "2" * 62, "1." + "2" * 63, "1.2.", "01.02", "no UID at all")

PROCESS = """
from scp.uid_checks import check_once
check_once()
import warnings
warnings.simplefilter("error")
from pynetdicom.presentation import PresentationContext
context = PresentationContext()
context.abstract_syntax = b"1.2.03"
try:
    context.abstract_syntax = b"1." + b"2" * 63
except ValueError:
    print("refused")
"""


@pytest.mark.parametrize("uid", UIDS)
def test_a_uid_is_judged_as_pynetdicom_would(monkeypatch: pytest.MonkeyPatch, uid: str) -> None:
    monkeypatch.setattr(config.settings, "reading_validation_mode", config.IGNORE)
    assert has_length(uid)[0] == validate_ui(UID(uid))[0]


def test_pynetdicom_asks_the_check_that_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_config.VALIDATORS, "UI", lambda _: (False, "no"))
    with pytest.raises(ValueError, match="no"):
        set_uid("1.2.3", "a name")


def test_a_process_that_checks_once_still_refuses_what_is_too_long() -> None:
    done = subprocess.run([sys.executable, "-c", PROCESS], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "refused\n"
