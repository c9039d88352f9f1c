"""How often the form of a UID is looked at while an association is negotiated: once, where pynetdicom reads it.

pydicom looks at it again whenever pynetdicom copies one, 2,400 times for the 128 contexts that storescu proposes.
"""

from typing import Final

from pydicom import config
from pynetdicom import _config

_LONGEST: Final = 64  # PS3.5 section 9.1


def check_once() -> None:
    """Make it so in this process. What a peer proposes is still at most 64 characters, and taken only if we know it."""
    config.settings.reading_validation_mode = config.IGNORE
    _config.VALIDATORS["UI"] = has_length


def has_length(uid: str) -> tuple[bool, str]:
    """What pynetdicom asks of a UID, without making another of it: whether it may stand, and if not, why."""
    return 0 < len(uid) <= _LONGEST, f"must have 1 to {_LONGEST} characters"
