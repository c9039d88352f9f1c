"""What a hospital does about an object that was refused, by the status that its PACS was answered."""

from __future__ import annotations

from collections.abc import Mapping

from scp.reasons import REASONS, Reason

MEND_IT = "Have it mended, and send it again."
UNCOMPRESSED = "Send it again in another transfer syntax: Explicit VR Little Endian, for example."
NOTHING = "Nothing is to be done."
OTHER_THAN_MENDING: Mapping[Reason, str] = {
    Reason.UNKNOWN_SYNTAX: UNCOMPRESSED,
    Reason.DEFLATED: UNCOMPRESSED,
    Reason.TRUNCATED: "Look whether your own archive has it whole, and send it again.",
    Reason.DIRECTORY: f"{NOTHING} The images that it lists are taken.",
    Reason.TOO_LARGE: "Send it as several smaller objects: with fewer frames in each, for example.",
    Reason.NOT_ASKED_FOR: NOTHING,
}
BY_STATUS: Mapping[int, str] = {REASONS[reason][0]: words for reason, words in OTHER_THAN_MENDING.items()}


def mending(status: int | None) -> str:
    """One or two sentences for whoever runs the PACS."""
    return BY_STATUS.get(status or 0, MEND_IT)
