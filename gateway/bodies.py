"""How much of a request's body is read, and for how long: one table, asked before a byte of it is taken.

Nobody's body but a sign-in form is read; what programs and pages send is small; only images may be large.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

import flask

from config.settings import Settings
from gateway.accounts.sessions import viewer
from worklist.access import Viewer

ANONYMOUS_FORMS = frozenset(
    {"security.login", "security.logout", "security.verify", "portal.open_link", "portal.close_link"}
)
UPLOADS = frozenset({"portal.upload"})
REFUSED = "overread.refused"  # in a WSGI environment: the status with which the application answers without the body


def sends_images(request: flask.Request) -> bool:
    """Whether its body is files, whatever its media type says: it is for the route alone to read."""
    return request.endpoint in UPLOADS or request.blueprint == "dicomweb"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is read of one body. `streams`: it goes to the application as it comes, and holds a thread so long.

    `seconds` are for the whole body; of one that streams, for every piece, beside its time at the least rate.
    `each` and `all` say how many such bodies one person (or one address) and all together may be sending.
    """

    size: int
    seconds: float
    each: int
    all: int
    streams: bool = False


NOTHING = Allowance(0, 0.0, 0, 0)
FORM = Allowance(16 << 10, 10.0, 32, 256)
SMALL = Allowance(1 << 20, 30.0, 16, 128)


@dataclass(frozen=True, slots=True)
class Admission:
    """Whose body it is, and what is read of it."""

    key: str
    allowance: Allowance


@dataclass(frozen=True, slots=True)
class Bodies:
    """The table with the numbers of one installation."""

    upload_bytes: int
    threads: int

    @property
    def upload(self) -> Allowance:
        """Images: they may come slowly, but never take more than a quarter of all threads."""
        return Allowance(self.upload_bytes, 30.0, 6, max(1, self.threads // 4), streams=True)

    def allow(self, request: flask.Request, who: Viewer | None) -> Allowance:
        """What is read of the body of this request, sent by this person."""
        if request.endpoint is None:
            return NOTHING
        if who is None:
            return FORM if request.endpoint in ANONYMOUS_FORMS else NOTHING
        return self.upload if sends_images(request) else SMALL

    def admit(self, app: flask.Flask, environ: dict[str, object]) -> Admission:
        """Look at who sends a request, by its head alone."""
        with app.request_context(environ):
            who = viewer()
            key = f"person {who.person_id}" if who else f"address {flask.request.remote_addr}"
            return Admission(key, self.allow(flask.request, who))


def bodies_of(settings: Settings) -> Bodies:
    """The table of one installation."""
    return Bodies(settings.http.max_upload_bytes, settings.http.blocking_threads)


def refuse_early(bodies: Bodies) -> None:
    """Before every request: what was refused by its head is answered; whoever reads the body reads so much of it.

    The second holds without a server in front that counts, too.
    """
    refused = flask.request.environ.get(REFUSED)
    if refused:
        flask.abort(refused)
    if flask.request.method not in {"GET", "HEAD"}:
        flask.request.max_content_length = max(FORM.size, bodies.allow(flask.request, viewer()).size)


class TooMany(Exception):
    """So many bodies are on their way that another one must wait."""


@dataclass(slots=True)
class Places:
    """How many bodies are on their way now, of each sender and of all."""

    _lock: Lock = field(default_factory=Lock)
    _taken: Counter[tuple[Allowance, str]] = field(default_factory=Counter)
    _all: Counter[Allowance] = field(default_factory=Counter)

    @contextmanager
    def one(self, admission: Admission) -> Iterator[None]:
        """Take a place for one body. Raises TooMany."""
        allowance, mine = admission.allowance, (admission.allowance, admission.key)
        with self._lock:
            if self._taken[mine] >= allowance.each or self._all[allowance] >= allowance.all:
                raise TooMany
            self._taken[mine] += 1
            self._all[allowance] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[mine] -= 1
                self._all[allowance] -= 1
                if not self._taken[mine]:
                    del self._taken[mine]
