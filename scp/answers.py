"""What a peer answers on an association that we opened, for whoever asked.

pynetdicom's own thread looks in passing whether a request came, and is asked to pause while an answer is expected.
Between its pause and its look there is a moment in which it counts as paused: an answer that came then was thrown
away, and the sender waited for it until the time was over.
"""

from queue import Empty, Queue

from pynetdicom.association import Association
from pynetdicom.dimse import _QueueItem


class _ForWhoeverWaits(Queue[_QueueItem]):
    """A queue that is empty for a glance."""

    def get(self, block: bool = True, timeout: float | None = None) -> _QueueItem:
        """Wait for the next message; raise Empty at once where nobody waits."""
        if not block:
            raise Empty
        return super().get(block, timeout)


def keep_for_who_asks(association: Association) -> None:
    """Let no message be taken but by a call that waits for it. Nothing may have been asked before."""
    association.dimse.msg_queue = _ForWhoeverWaits()
