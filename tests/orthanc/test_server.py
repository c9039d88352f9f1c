"""The Orthanc of our own: what its configuration keeps shut."""

import json
import re
import socket
import stat
from pathlib import Path

import pytest
import urllib3

from orthanc import server
from orthanc.errors import ArchiveUnavailable


def test_orthanc_and_its_dicomweb_plugin_are_found():
    found = server.probe()
    assert found.binary is not None
    assert re.fullmatch(r"1\.\d+\.\d+", found.version)
    assert found.dicomweb is not None
    assert found.dicomweb.name.startswith("libOrthancDicomWeb")


def test_an_orthanc_first_on_the_path_is_taken_with_the_plugin_of_its_own_installation(tmp_path, monkeypatch):
    binary, plugin = tmp_path / "bin/Orthanc", tmp_path / "share/orthanc/plugins/libOrthancDicomWeb.so.1.20"
    for file, content in ((binary, "#!/bin/sh\necho Orthanc 1.12.7\n"), (plugin, "")):
        file.parent.mkdir(parents=True)
        file.write_text(content)
        file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{binary.parent}:/usr/bin:/bin")
    assert server.probe() == server.Installed(binary, "1.12.7", plugin)


@pytest.fixture
def written(tmp_path):
    return server.write_configuration(tmp_path, 18042, "secret")


def test_the_configuration_is_for_this_user_alone_and_leaves_nothing_beside_it(written):
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert {entry.name for entry in written.parent.iterdir()} == {"orthanc.json", "storage", "tmp"}


def test_the_same_arguments_write_the_same_configuration(written):
    first = written.read_bytes()
    assert server.write_configuration(written.parent, 18042, "secret").read_bytes() == first


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("RemoteAccessAllowed", False),
        ("AuthenticationEnabled", True),
        ("RegisteredUsers", {"overread": "secret"}),
        ("DicomServerEnabled", False),
        ("DicomAlwaysAllowStore", False),
        ("DicomAlwaysAllowEcho", False),
        ("StorageCompression", False),
        ("OverwriteInstances", False),
        ("SyncStorageArea", True),
        ("StoreMD5ForAttachments", True),
        ("MaximumStorageSize", 0),
        ("KeepAlive", True),
        ("TcpNoDelay", True),
        ("SaveJobs", False),
        ("ExecuteLuaEnabled", False),
        ("RestApiWriteToFileSystemEnabled", False),
        ("WebDavEnabled", False),
    ],
)
def test_the_configuration_says(written, option, value):
    assert json.loads(written.read_text())[option] == value


def test_plugins_are_named_one_by_one_and_gdcm_is_not_among_them(written):
    (plugin,) = json.loads(written.read_text())["Plugins"]
    assert plugin.endswith("libOrthancDicomWeb.so")


def test_it_is_started_without_nagles_algorithm(written):
    command = server.command(written)
    assert command.argv[1] == str(written)
    assert command.environment["TCP_NODELAY"] == "1"


def test_no_dicom_port_is_open(archive_server):
    pid = archive_server.process.pid
    inodes = {
        link.split("[")[1][:-1]
        for link in (str(entry.readlink()) for entry in _descriptors(pid))
        if link.startswith("socket:")
    }
    listening = {port for inode, port in _listening() if inode in inodes}
    assert listening == {archive_server.port}


def test_without_the_password_it_answers_nothing(archive_server):
    pool = urllib3.PoolManager(retries=False)
    for path in ("/system", "/instances", "/dicom-web/studies", "/app/explorer.html"):
        assert pool.request("GET", archive_server.url + path).status == 401
    pool.clear()


def test_from_another_address_than_loopback_it_answers_nothing_even_with_the_password(archive_server):
    address = socket.gethostbyname(socket.gethostname())
    if address.startswith("127."):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))
            address = probe.getsockname()[0]
    pool = urllib3.PoolManager(retries=False, headers=urllib3.make_headers(basic_auth="overread:test-password"))
    assert pool.request("GET", f"http://{address}:{archive_server.port}/system").status in {401, 403}
    pool.clear()


def test_waiting_for_one_that_never_comes_ends_at_the_deadline(free_port):
    with pytest.raises(ArchiveUnavailable):
        server.wait_until_ready(f"http://127.0.0.1:{free_port()}", "overread", "x", 0.3)


def _descriptors(pid):
    return list(Path(f"/proc/{pid}/fd").iterdir())


def _listening():
    """Inode and port of every listening TCP socket."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                yield fields[9], int(fields[1].rpartition(":")[2], 16)
