"""The `overread` command: what goes wrong is one sentence on stderr, an exit code, and no traceback."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from config.settings import load_settings
from gateway.accounts.people import NewPerson, add_person
from gateway.cli import main
from gateway.credentials import Safe, authorization
from gateway.installation import Folders, read_secrets, remember_start
from scp.peers import PeerBook
from worklist.models import ApiToken, AuditLine, Peer, Person, Site
from worklist.states import Role

ONE_ENGINE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def failed_plainly(done: subprocess.CompletedProcess[str]) -> str:
    """What it said; it failed, without a traceback and without anything on stdout."""
    assert done.returncode not in {0, -11}, done.stdout
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout == ""
    assert done.stderr.strip()
    return done.stderr


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """`command("token", ...)`: the command's own `main`, in this process because starting Python takes seconds."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["overread", *words])
        monkeypatch.setenv("COLUMNS", "200")
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return subprocess.CompletedProcess(words, end.value.code or 0, said.out, said.err)

    return run


@pytest.fixture
def up(command, tmp_path: Path, free_port):
    """`up(http=port)`: `overread up` on free ports, which is expected to fail before it starts anything."""

    def run(*more: str, data: Path | None = None, http: int = 0, dicom: int = 0):
        words = ("--data", str(data or tmp_path / "data"), "--http", str(http or free_port()))
        return command("up", *words, "--dicom", str(dicom or free_port()), *more)

    return run


def test_help_is_readable_everywhere(run_overread) -> None:
    bare = run_overread()
    for word in ("up", "serve", "doctor", "token", "route", "person", "site", "keys"):
        assert re.search(rf"\b{word}\b", bare.stdout + bare.stderr), word
    assert "send-demo" not in bare.stdout
    asked = run_overread("up", "--help")
    assert asked.returncode == 0
    for option in ("--data", "--http", "--dicom", "--demo", "--config"):
        assert option in asked.stdout


def test_a_port_in_use(up, run_overread, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run_overread("up", "--data", str(tmp_path / "data"), "--http", str(port))
        assert f"Port {port} is in use by another program" in failed_plainly(done)
        assert "--dicom PORT" in failed_plainly(up(dicom=port))


def test_the_same_port_twice(up, free_port) -> None:
    port = free_port()
    assert "two different ports" in failed_plainly(up(http=port, dicom=port))


def test_a_data_folder_that_cannot_be_written(up, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be written" in failed_plainly(up(data=tmp_path / "file" / "data"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without rights")
def test_a_data_folder_of_another_user(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o700)
    program = (
        "import os, sys\nfrom gateway.installation import Folders\nfrom pathlib import Path\n"
        "from config.errors import Explained\n"
        f"os.setgid(65534); os.setuid(65534)\n"
        "try:\n"
        f"    Folders(Path({str(locked)!r})).make()\n"
        "except Explained as error:\n"
        "    sys.exit(str(error))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "cannot be written" in done.stderr
    assert "--data DIR" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_orthanc(tmp_path: Path, free_port) -> None:
    program = (
        "import sys\nfrom orthanc import server\nfrom gateway.cli import main\n"
        "server.BINARY_PLACES = ()\n"
        f"sys.argv = ['overread', 'up', '--data', {str(tmp_path / 'data')!r},"
        f" '--http', '{free_port()}', '--dicom', '{free_port()}']\nmain()\n"
    )
    env = os.environ | {"PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)
    assert "Orthanc is not installed. On Debian: apt-get install" in failed_plainly(done)


def test_a_mistake_in_the_routing_rules_names_file_and_line(up, tmp_path: Path) -> None:
    rules, site = tmp_path / "rules.toml", tmp_path / "site.toml"
    rules.write_text('[[rule]]\nname = "x"\nsubspecialty = "brain surgery"\n')
    site.write_text(f"[studies]\nrouting = '{rules}'\n")
    said = failed_plainly(up("--config", str(site)))
    assert str(rules) in said
    assert re.search(r"\b3\b", said)
    assert "brain surgery" in said


def test_a_mistake_in_the_configuration(up, tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text("[http]\nprot = 1\n")
    assert "[http.prot]" in failed_plainly(up("--config", str(site)))
    assert "cannot be read" in failed_plainly(up("--config", str(tmp_path / "none.toml")))


def test_a_viewer_that_is_not_installed(up, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("OVERREAD_WEB__ASSETS", str(tmp_path))
    assert "make setup" in failed_plainly(up())


@pytest.mark.parametrize(
    "url",
    ["postgresql://nobody@127.0.0.1:1/none", "no url at all", "oracle://x", "sqlite:////no/such/folder/rows.db"],
)
def test_a_database_that_cannot_be_used(up, url: str, monkeypatch) -> None:
    monkeypatch.setenv("OVERREAD_DATABASE__URL", url)
    assert "database" in failed_plainly(up()).lower()


@pytest.mark.parametrize("words", [["token", "a@b.example"], ["doctor"], ["person", "list"], ["site", "list"]])
def test_commands_about_an_installation_that_is_not_there(command, tmp_path: Path, words: list[str]) -> None:
    said = failed_plainly(command(*words, "--data", str(tmp_path)))
    assert "Start one with: overread up" in said


def test_the_doctor_looks_at_a_machine_where_up_never_ran_with_its_settings_and_remembers_none(
    command, tmp_path: Path, database, database_url: str
) -> None:
    file, folder = tmp_path / "own.toml", tmp_path / "data"
    file.write_text(f'[database]\nurl = "{database_url}"\n[archive]\nurl = "http://127.0.0.1:1"\n')
    Folders(folder).make()
    read_secrets(Folders(folder))
    done = command("doctor", "--data", str(folder), "--config", str(file))
    assert "database: " in done.stdout
    assert "tables as this version needs them" in done.stdout
    assert "WRONG archive" in done.stdout
    assert not Folders(folder).run.exists()
    file.write_text("[http]\nport = 8081\n")
    assert (
        "archive.url and database.url must stand"
        in command("doctor", "--data", str(folder), "--config", str(file)).stderr
    )


@pytest.fixture
def data(tmp_path: Path, database, database_url: str) -> Path:
    """The data folder of an installation that was started once, with one site and one reader."""
    folders = Folders(tmp_path / "data")
    folders.make()
    remember_start(load_settings(folders.data, None, database={"url": database_url}))
    with database.writing() as session:
        session.add(Site(code="ST_MARY", name="St Mary"))
        add_person(session, NewPerson("nora@hospital.example", "Nora", (Role.COORDINATOR,)), "password")
    return folders.data


@ONE_ENGINE
def test_the_doctor_denies_no_installation_that_is_there(command, data: Path, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("[studies]\nquiet_seconds = 7\n")
    said = failed_plainly(command("doctor", "--data", str(data), "--config", str(tmp_path / "own.toml")))
    assert "There is no installation" not in said
    assert "leave --config away" in said


@ONE_ENGINE
def test_a_token_for_somebody_and_for_nobody(command, data: Path) -> None:
    done = command("token", "Nora@hospital.example", "--data", str(data))
    assert done.returncode == 0
    assert re.fullmatch(r"[\w-]{43}\n", done.stdout)
    said = failed_plainly(command("token", "ghost@hospital.example", "--data", str(data)))
    assert "ghost@hospital.example" in said


@ONE_ENGINE
def test_people_are_added_listed_and_checked(command, data: Path, database) -> None:
    def add(email: str, *more: str):
        return command(
            "person", "add", email, "--data", str(data), "--name", "New", "--password", "a good password", *more
        )

    reader = ("--role", "reader", "--dicom-name", "New^Person", "--subspecialty", "thoracic")
    assert add("new@hospital.example", *reader).returncode == 0
    assert "new@hospital.example" in command("person", "list", "--data", str(data)).stdout
    assert "--dicom-name" in failed_plainly(add("b@hospital.example", "--role", "reader"))
    assert "--site CODE" in failed_plainly(add("c@hospital.example", "--role", "site"))
    assert "no site NOWHERE" in failed_plainly(add("d@hospital.example", "--role", "site", "--site", "NOWHERE"))
    for wrong in ("nora", "nora@", "nora @hospital.example"):
        assert "e-mail address" in failed_plainly(add(wrong, "--role", "coordinator")), "they could never sign in"
    with database.reading() as session:
        assert session.query(Person).count() == 2


@ONE_ENGINE
def test_sites_are_added_listed_and_checked(command, data: Path) -> None:
    def add(code: str, *more: str):
        return command("site", "add", code, "--data", str(data), "--name", "A", *more)

    assert add("ST_JOHN", "--sends-from", "PACS", "--receives-on", "PACS@10.0.0.5:104").returncode == 0
    listed = command("site", "list", "--data", str(data)).stdout
    assert "PACS@10.0.0.5:104" in listed
    assert "already belongs to the site ST_JOHN" in failed_plainly(add("OTHER", "--sends-from", "PACS"))
    assert "AE@HOST:PORT" in failed_plainly(add("OTHER", "--receives-on", "PACS"))
    assert "“query” or “status”" in failed_plainly(add("OTHER", "--proof", "trust"))


@ONE_ENGINE
def test_what_nobody_could_use_is_refused_with_what_to_write(command, data: Path) -> None:
    def person(email: str = "x@hospital.example", name: str = "X", password: str = "a good password"):
        return command(
            "person", "add", email, "--data", str(data), "--name", name, "--password", password, "--role", "patient"
        )

    def site(code: str = "S", name: str = "S", *more: str):
        return command("site", "add", code, "--data", str(data), "--name", name, *more)

    for wrong in ("", "  ", "a\nb"):
        assert "write 1 to 120" in failed_plainly(person(name=wrong))
        assert "write 1 to 120" in failed_plainly(site(name=wrong))
    assert "8 to 200" in failed_plainly(person(password="demo"))
    assert "e.g. ST_MARY" in failed_plainly(site("a b"))
    assert "AE title" in failed_plainly(site("S", "S", "--sends-from", "A" * 17))
    assert "PACS@10.0.0.5:104" in failed_plainly(site("S", "S", "--receives-on", "A@host:70000"))
    assert "10.1.0.0/16" in failed_plainly(site("S", "S", "--address", "10.0.0.300"))


@ONE_ENGINE
def test_a_removed_persons_tokens_end_and_an_internal_domain_is_a_domain(command, data: Path, database) -> None:
    words = ("--data", str(data))
    added = command(
        "person", "add", "bo@hospital.local", *words, "--name", "Bo", "--password", "long enough", "--role", "patient"
    )
    assert added.returncode == 0, added.stderr
    assert command("token", "bo@hospital.local", *words).returncode == 0
    with database.reading() as session:
        before = session.query(Person).filter_by(email="bo@hospital.local").one().fs_uniquifier
    assert command("person", "remove", "bo@hospital.local", *words).returncode == 0
    assert "Nobody here" in failed_plainly(command("token", "bo@hospital.local", *words))
    assert "bo@" not in command("person", "list", *words).stdout
    with database.reading() as session:
        gone = session.query(Person).filter_by(email="bo@hospital.local").one()
        assert (gone.active, gone.password, session.query(ApiToken).count()) == (False, None, 0)
        assert gone.fs_uniquifier != before, "a session that is open ends"


@ONE_ENGINE
def test_a_site_is_changed_shown_and_removed_and_the_receivers_see_it(command, data: Path) -> None:
    words = ("--data", str(data))
    book = PeerBook(Folders(data).peers)
    assert command("site", "peer", "add", "ST_MARY", *words, "--sends-from", "CT_1", "--right", "echo").returncode == 0
    assert command("site", "set", "ST_MARY", *words, "--address", "10.1.2.3/8").returncode == 0
    assert (book.find("CT_1").addresses, book.find("CT_1").rights) == (("10.0.0.0/8",), {"echo"})
    assert "10.0.0.0/8" in command("site", "show", "ST_MARY", *words).stdout
    assert "BEGIN CERTIFICATE" in failed_plainly(command("site", "certificate", "ST_MARY", str(__file__), *words))
    assert command("site", "peer", "remove", "ST_MARY", "CT_1", *words).returncode == 0
    assert book.find("CT_1") is None
    assert command("site", "remove", "ST_MARY", *words).returncode == 0
    assert "no site ST_MARY" in failed_plainly(command("site", "show", "ST_MARY", *words))


@ONE_ENGINE
def test_a_persons_roles_and_names_are_changed_and_the_audit_says_so(command, data: Path, database) -> None:
    words = ("nora@hospital.example", "--data", str(data))
    assert "Nothing of" in failed_plainly(command("person", "set", *words))
    assert "--subspecialty" in failed_plainly(command("person", "set", *words, "--role", "reader"))
    reader = ("--role", "reader", "--subspecialty", "thoracic", "--dicom-name", "Ray^Nora")
    assert command("person", "set", *words, *reader, "--name", "Nora Ray").returncode == 0
    listed = command("person", "list", "--data", str(data)).stdout
    assert "Nora Ray" in listed
    assert "thoracic" in listed
    assert "coordinator" not in listed
    assert command("person", "remove", *words).returncode == 0
    with database.reading() as session:
        assert [line.action for line in session.query(AuditLine)] == ["change person", "remove person"]


@ONE_ENGINE
def test_a_sites_receivers_are_called_by_the_command(command, data: Path, free_port) -> None:
    words = ("ST_MARY", "--data", str(data))
    assert "No receiver to call" in command("site", "test", *words).stdout
    command("site", "peer", "add", *words, "--receives-on", f"PACS@127.0.0.1:{free_port()}")
    tried = command("site", "test", *words)
    assert tried.returncode == 1
    assert "nothing listens" in tried.stdout
    assert "check the port" in tried.stdout
    assert "heard from it: nothing yet" in tried.stdout


@ONE_ENGINE
def test_a_receiver_by_dicomweb_is_added_tested_and_removed_by_its_address(
    command, data: Path, database, tmp_path: Path, free_port
) -> None:
    words, url = ("--data", str(data)), f"https://127.0.0.1:{free_port()}/dicom-web"
    secret = tmp_path / "secret"
    secret.write_text("se:cret\n")
    known = ("--user", "overread", "--secret-file", str(secret))
    assert command("site", "peer", "add", "ST_MARY", *words, "--receives-on", url, *known).returncode == 0
    with database.reading() as session:
        (peer,) = session.query(Peer).filter(Peer.base_url == url)
        opened = Safe.of(read_secrets(Folders(data))).open(peer.access, url)
    assert opened == authorization("overread", "se:cret")
    assert url in command("site", "show", "ST_MARY", *words).stdout
    assert "nothing listens" in command("site", "test", "ST_MARY", *words).stdout
    plain = ("--receives-on", "PACS@127.0.0.1:104", *known)
    assert "by https" in failed_plainly(command("site", "peer", "add", "ST_MARY", *words, *plain))
    missing = (*known[:2], "--secret-file", str(tmp_path / "none"))
    assert "cannot be read" in failed_plainly(
        command("site", "peer", "add", "ST_MARY", *words, "--receives-on", url, *missing)
    )
    assert command("site", "peer", "remove", "ST_MARY", url, *words).returncode == 0
    assert url not in command("site", "show", "ST_MARY", *words).stdout


def test_a_machine_that_shares_nothing_needs_both_addresses(command, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text("[database]\nurl = 'postgresql://nobody@127.0.0.1:1/none'\n")
    done = command("serve", "worker", "--data", str(tmp_path / "data"), "--config", str(own))
    assert "archive.url" in failed_plainly(done)


def test_where_a_file_would_go_is_explained_without_an_installation(command, tmp_path: Path, make) -> None:
    (tmp_path / "study").mkdir()
    for number in range(2):
        (tmp_path / "study" / f"IM{number}").write_bytes(make(StudyInstanceUID="1.2.3"))
    (tmp_path / "study" / "README").write_text("no DICOM")
    done = command("route", str(tmp_path / "study"))
    assert done.returncode == 0, done.stderr
    assert "neuroradiology" in done.stdout.lower()
    assert "Sample" not in done.stdout


def test_nothing_to_explain_is_said(command, tmp_path: Path) -> None:
    failed = command("route", str(tmp_path / "nothing"))
    assert failed.returncode != 0
    assert "Traceback" not in failed.stderr
