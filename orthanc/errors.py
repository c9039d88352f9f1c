"""What can go wrong with the archive and its objects, named by what the caller should do."""

from __future__ import annotations


class ArchiveError(Exception):
    """The archive did not do what it was asked."""


class ArchiveUnavailable(ArchiveError):  # noqa: N818 - says what to do
    """Try again later: the archive is down, slow, full, or does not know us."""


class GoneFromDisk(ArchiveUnavailable):
    """Try again later, perhaps: the archive knows the file, but its disk has it not, or not now."""


class AlteredInArchive(ArchiveUnavailable):
    """Try again later, perhaps: the archive gives other bytes than it took, or none. They are shown to nobody."""


class ArchiveForgets(ArchiveUnavailable):
    """Try again later: the archive said yes to what it does not have."""


class ArchiveSilent(ArchiveUnavailable):
    """It does not answer at all, or not in time: nobody else would be answered now."""


class ArchiveRefused(ArchiveError):  # noqa: N818 - says what to do
    """Never again with these bytes: the archive will not take or give them."""


class ArchiveConflict(ArchiveRefused):
    """The archive holds other content under the same identifiers: a person decides."""


class NotInArchive(ArchiveRefused):
    """The archive does not have it."""


class Unreadable(Exception):  # noqa: N818 - says what to do
    """These bytes cannot be read as DICOM: never again."""


class NoSuchFrame(LookupError):  # noqa: N818 - says what to do
    """The instance has no such frame, or its frames cannot be told apart."""


class NoSuchBulk(LookupError):  # noqa: N818 - says what to do
    """The instance has no large value at this path."""


class Undecodable(Exception):  # noqa: N818 - says what to do
    """The pixels cannot be shown: never again with this frame, the rest of the instance is unharmed."""


class DecoderBusy(Exception):  # noqa: N818 - says what to do
    """Try again later: every decoder is at work, or none can be started."""
