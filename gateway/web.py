"""The web application on granian: many blocking threads, because a slow upload holds one."""

from __future__ import annotations

import flask
from granian.constants import HTTPModes, Interfaces
from granian.server import Server

from config.settings import Settings, data_folder_of_this_process, tell_children
from gateway.app import create_app
from gateway.installation import open_installation
from gateway.logs import write_structured_logs
from gateway.supervisor import die_with_parent
from gateway.unlocking import unlock


def serve_web(settings: Settings) -> None:
    """Serve until SIGTERM. Raises Explained for wrong keys."""
    unlock(settings)  # here, where the reason is one sentence; granian would start its worker again and again
    tell_children(settings.data)
    Server(
        "gateway.web:application",
        address=settings.http.host,
        port=settings.http.port,
        interface=Interfaces.WSGI,
        http=HTTPModes.auto,
        websockets=False,
        blocking_threads=settings.http.blocking_threads,
        backlog=1024,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=10,
        factory=True,
        log_access=False,
    ).serve()


def application() -> flask.Flask:
    """Build the application in granian's worker process, which must not outlive its parent."""
    die_with_parent()
    write_structured_logs()
    return create_app(open_installation(data_folder_of_this_process()))
