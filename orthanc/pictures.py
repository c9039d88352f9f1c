"""Pictures in the read cache: drawn once, then read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from orthanc.flights import Flights
from orthanc.shelf import PICTURES, Shelf


class Pictures:
    """Pictures by names that say all they depend on."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._under_way: Flights[bytes] = Flights()

    def get(self, name: str, make: Callable[[], bytes]) -> bytes:
        """Return a picture; make it if it is not here, or damaged. Raises what `make` raises."""
        kept = self._shelf.read(PICTURES, name)
        return self._under_way.join(name, lambda: self._keep(name, make())) if kept is None else kept

    def _keep(self, name: str, picture: bytes) -> bytes:
        with suppress(OSError):  # a picture that cannot be kept is still a picture
            self._shelf.write(PICTURES, name, (picture,))
        return picture
