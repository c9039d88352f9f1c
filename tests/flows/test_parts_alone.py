"""One part at a time on a machine where `up` never ran: rows in PostgreSQL, images in an Orthanc of somebody else."""

import os
import subprocess
import sys
from contextlib import ExitStack

import pytest

from config.database import connect
from gateway.supervisor import die_with_parent
from worklist.models import Instance

pytestmark = [pytest.mark.flow, pytest.mark.peers]


def test_worker_and_receiver_alone_take_an_image_into_a_row(  # noqa: PLR0917  # fixtures
    postgres, archive_server, make_study, free_port, tmp_path, tool, wait_for
):
    """By the environment alone, on a database that has no table yet."""
    url, port, data = postgres.url(postgres.create()), free_port(), tmp_path / "data"
    alone = os.environ | {
        "TCP_NODELAY": "1", "OVERREAD_DATABASE__URL": url, "OVERREAD_ARCHIVE__URL": archive_server.url,
        "OVERREAD_ARCHIVE__PASSWORD": archive_server.password, "OVERREAD_DICOM__PORT": str(port),
        "OVERREAD_DICOM__HOST": "127.0.0.1",
    }  # fmt: skip

    def overread(*words):
        return [sys.executable, "-m", "gateway", *words, "--data", str(data)]

    sent = make_study(1, size=16)
    with ExitStack() as running, (tmp_path / "log").open("w") as log:
        for part in ("worker", "dicom"):
            process = running.enter_context(
                subprocess.Popen(overread("serve", part), env=alone, stdout=log, stderr=log, preexec_fn=die_with_parent)
            )
            running.callback(process.terminate)
        wait_for((data / "peers.json").exists, 60, "the worker's list of who may send")
        added = subprocess.run(
            overread("site", "add", "ALONE", "--name", "Alone", "--sends-from", "ALONE"), env=alone, check=False
        )
        assert added.returncode == 0
        words = ("-aet", "ALONE", "-aec", "OVERREAD", "127.0.0.1", port)
        wait_for(lambda: tool("echoscu", *words, check=False).returncode == 0, 30, "the receiver's answer")
        tool("storescu", *words, *sent.files)
        database = connect(url)
        try:
            wait_for(lambda: rows(database) == 1, 30, "the row of the image")
        finally:
            database.close()


def rows(database):
    with database.reading() as session:
        return session.query(Instance).count()
