"""The web application on granian: its event loop waits for slow clients, our threads work (`gateway.bridge`)."""

from __future__ import annotations

import ctypes
import multiprocessing
import resource
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server import Server

from config.settings import Settings, data_folder_of_this_process, tell_children
from gateway.installation import open_installation
from gateway.logs import write_structured_logs
from gateway.supervisor import die_with_parent
from gateway.unlocking import unlock

if TYPE_CHECKING:
    from gateway.bridge import Bridge

MOST_CONNECTIONS = 4096
M_ARENA_MAX: Final = -8  # of glibc's malloc.h
OPEN_FILES = 8192  # each connection is one, and each instance that is at hand


def serve_web(settings: Settings) -> None:
    """Serve until SIGTERM. Raises Explained for wrong keys."""
    unlock(settings)  # here, where the reason is one sentence; granian would start its worker again and again
    tell_children(settings.data)
    Server(
        "gateway.web:application",
        address=settings.http.host,
        port=settings.http.port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        backlog=MOST_CONNECTIONS,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=10,
        factory=True,
        log_access=False,
        log_level=LogLevels.warning,  # whoever breaks off a connection would write a line
    ).serve()


def application() -> Bridge:
    """Build the application in granian's worker process, which must not outlive its parent, not even while it starts.

    What it is made of is loaded here, so that the parent, which only watches, stays small.
    """
    parent = multiprocessing.parent_process()
    die_with_parent(parent.pid if parent else None)
    from gateway.app import create_app
    from gateway.bodies import bodies_of
    from gateway.bridge import Bridge

    share_memory()
    allow_open_files()
    write_structured_logs()
    settings = open_installation(data_folder_of_this_process())
    app = create_app(settings)
    bodies = bodies_of(settings)
    access_log, sessions = (app.extensions[f"overread-{name}"] for name in ("access-log", "sessions"))

    def stop() -> None:
        sessions.close()
        access_log.stop()

    threads, quickly = settings.http.blocking_threads, app.extensions["overread-quickly"]
    return Bridge(app, lambda environ: bodies.admit(app, environ), stop, threads, quickly)


def share_memory() -> None:
    """Have all threads share two of glibc's arenas; one for each would keep the most that it ever needed."""
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def allow_open_files() -> None:
    """Raise what this process may open, as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
