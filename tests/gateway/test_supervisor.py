"""Parts are started, restarted when they die, and nothing is left when the supervisor stops or is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from config.settings import ConfigurationError
from gateway.supervisor import Part, StartFailed, Supervisor, hold_lock, require_free_port

SLEEP = "import time; time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]):
    made = Supervisor(tmp_path, said.append)
    yield made
    made.stop()


def part(name: str, program: str, ready=lambda: True, stops: int = 0) -> Part:
    return Part(name, (sys.executable, "-c", program), dict(os.environ), ready, stops)


def alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_a_nice_part_steps_back_before_the_others_although_each_is_a_session_of_its_own(supervisor) -> None:
    """Niceness counts within a session: that of a part which was alone in its own changed nothing."""
    supervisor.start([replace(part("nice", SLEEP), nice=7), part("plain", SLEEP)])
    nice, plain = (Path(f"/proc/{child.process.pid}/autogroup").read_text() for child in supervisor._children)
    assert nice.endswith(" nice 7\n")
    assert plain.endswith(" nice 0\n")


def test_start_returns_when_every_part_is_ready(supervisor, tmp_path: Path) -> None:
    sign = tmp_path / "ready"
    program = f"import time; time.sleep(0.3); open({str(sign)!r}, 'w'); time.sleep(600)"
    supervisor.start([part("one", program, sign.exists), part("two", SLEEP)])
    assert sign.exists()


def test_a_part_that_never_becomes_ready_is_named(supervisor) -> None:
    with pytest.raises(StartFailed, match="slow did not start"):
        supervisor.start([part("slow", SLEEP, lambda: False), part("fine", SLEEP)], patience=0.3)


def test_a_part_that_dies_is_started_again_and_it_is_said(supervisor, said, wait_for) -> None:
    supervisor.start([part("one", SLEEP)])
    first = supervisor._children[0].process.pid
    os.kill(first, signal.SIGKILL)

    def replaced() -> bool:
        supervisor.tend()
        return supervisor._children[0].process.pid != first

    wait_for(replaced)
    assert said == ["one ended (killed by SIGKILL); starting it again in 0.4 s"]


def test_a_part_that_keeps_dying_is_started_with_growing_pauses(supervisor, said, wait_for) -> None:
    supervisor._children += []
    supervisor.run_once(part("broken", "raise SystemExit(3)"))

    def thrice() -> bool:
        supervisor.tend()
        return len(said) >= 3

    wait_for(thrice)
    assert [each.rpartition(" in ")[2] for each in said[:3]] == ["0.4 s", "0.8 s", "1.6 s"]
    assert "exit code 3" in said[0]


def test_a_part_that_ends_by_itself_as_it_should_is_not_started_again(supervisor, said, wait_for) -> None:
    supervisor.run_once(part("once", "pass"))
    wait_for(lambda: supervisor._children[0].process.poll() == 0)
    supervisor.tend()
    assert (said, supervisor._children[0].again_at) == ([], 0.0)


def test_parts_stop_in_their_order_and_nothing_is_left(supervisor, tmp_path: Path, wait_for) -> None:
    log = tmp_path / "order"
    program = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        f"    open({str(log)!r}, 'a').write(sys.argv[1])\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        f"open({str(tmp_path)!r} + '/up' + sys.argv[1], 'w')\n"
        "time.sleep(600)\n"
    )
    parts = [
        Part(name, (sys.executable, "-c", program, name), dict(os.environ), (tmp_path / f"up{name}").exists, stops)
        for name, stops in (("c", 2), ("a", 0), ("b", 1))
    ]
    supervisor.start(parts)
    pids = [child.process.pid for child in supervisor._children]
    supervisor.stop()
    assert log.read_text() == "abc"
    assert not any(map(alive, pids))


def test_a_part_that_does_not_stop_when_asked_is_ended(supervisor, said, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("gateway.supervisor.STOP_PATIENCE", 0.2)
    supervisor.start([part("deaf", DEAF, lambda: "deaf" in (tmp_path / "deaf.log").read_text())])
    pid = supervisor._children[0].process.pid
    supervisor.stop()
    assert not alive(pid)
    assert said == ["deaf did not stop when asked; ending it"]


def test_a_part_in_its_pause_is_not_started_while_stopping(supervisor, said, wait_for) -> None:
    supervisor.run_once(part("broken", "raise SystemExit(3)"))
    wait_for(lambda: supervisor._children[0].process.poll() is not None)
    supervisor.tend()
    supervisor.stop()
    pid = supervisor._children[0].process.pid
    assert not alive(pid)


def test_the_parts_die_with_a_supervisor_that_is_killed(tmp_path: Path, wait_for) -> None:
    program = f"""
import os, sys
from pathlib import Path
from gateway.supervisor import Part, Supervisor
supervisor = Supervisor(Path({str(tmp_path)!r}), print)
supervisor.start([Part("one", (sys.executable, "-c", {SLEEP!r}), dict(os.environ), lambda: True, 0)])
print(supervisor._children[0].process.pid, flush=True)
supervisor.watch()
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        child = int(parent.stdout.readline())
    assert alive(child)
    parent.kill()
    parent.wait()
    wait_for(lambda: not alive(child))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_ask_it_to_stop(supervisor, number: signal.Signals) -> None:
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        supervisor.listen_to_signals()
        supervisor.start([part("one", SLEEP)])
        threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
        supervisor.watch()
        assert supervisor.stopping
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def test_one_data_folder_has_one_supervisor(tmp_path: Path) -> None:
    first = hold_lock(tmp_path / "lock")
    with pytest.raises(ConfigurationError, match="already runs"):
        hold_lock(tmp_path / "lock")
    first.close()
    hold_lock(tmp_path / "lock").close()


def test_a_port_in_use_is_said_with_what_to_do(free_port) -> None:
    port = free_port()
    require_free_port("127.0.0.1", port, "--http")
    with socket.create_server(("127.0.0.1", port)):
        for host in ("127.0.0.1", "0.0.0.0"):
            with pytest.raises(ConfigurationError, match=f"Port {port} is in use.*--http PORT"):
                require_free_port(host, port, "--http")


def test_an_address_that_is_not_ours_is_not_called_a_port_in_use(free_port) -> None:
    for host in ("192.0.2.1", "no.such.host.invalid"):
        with pytest.raises(ConfigurationError, match="not an address of this machine"):
            require_free_port(host, free_port(), "--http")
