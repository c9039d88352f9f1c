"""The scripts behind `make` say what is wrong in one sentence, and the menu tells all of them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "deploy").glob("*.sh"))


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin"} | environment
    return subprocess.run(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


@pytest.fixture
def bare_machine(tmp_path: Path) -> Path:
    """A PATH of a user who is not root, on a machine with no package of ours and no sudo."""
    for tool in ("bash", "comm", "env", "python3", "sed", "sort"):
        found = shutil.which(tool, path="/usr/bin:/bin")
        assert found
        (tmp_path / tool).symlink_to(found)
    for tool, says in {"id": "1000", "dpkg-query": ""}.items():
        (tmp_path / tool).write_text(f"#!/usr/bin/env bash\nprintf '{says}'\n")
        (tmp_path / tool).chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("script", [*SCRIPTS, ROOT / ".ci" / "run"], ids=lambda script: script.name)
def test_every_script_is_executable_and_well_formed(script: Path) -> None:
    assert script.stat().st_mode & 0o111
    done = run("bash", "-n", str(script))
    assert done.returncode == 0, done.stderr


def test_bare_make_shows_every_command_of_the_menu() -> None:
    done = run("make", "--no-print-directory")
    assert done.returncode == 0, done.stderr
    for command in ("setup", "run", "test", "check", "fix", "bench", "lock"):
        assert re.search(rf"^  make {command} +\S", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.parametrize(("script", "usage"), [("apt.sh", "run|test"), ("venv.sh", "run|dev")])
def test_a_wrong_argument_shows_the_usage(script: str, usage: str) -> None:
    done = run(f"deploy/{script}", "everything")
    assert done.returncode == 1
    assert done.stderr == f"Usage: deploy/{script} {usage}\n"


def test_a_user_who_cannot_become_root_is_told_so_in_one_sentence(bare_machine: Path) -> None:
    done = run("deploy/apt.sh", "test", PATH=str(bare_machine))
    assert done.returncode == 1
    packages = "chromium libatomic1 poppler-utils postgresql strace"
    assert done.stderr == f"Installing {packages} needs root: run this as root, or install sudo.\n"


def test_another_distribution_is_told_what_to_install(bare_machine: Path) -> None:
    (bare_machine / "dpkg-query").unlink()
    done = run("deploy/apt.sh", "test", PATH=str(bare_machine))
    assert done.returncode == 1
    assert done.stderr.startswith("This is not a Debian system. Please install what corresponds to")
    assert "poppler-utils" in done.stderr


def test_an_old_python_is_named(bare_machine: Path, tmp_path: Path) -> None:
    copy = tmp_path / "checkout"
    (copy / "deploy").mkdir(parents=True)
    shutil.copy(ROOT / "deploy" / "venv.sh", copy / "deploy")
    shutil.copytree(ROOT / "requirements", copy / "requirements")
    shutil.copy(ROOT / "pyproject.toml", copy)
    old = bare_machine / "python3"
    old.unlink()
    old.write_text("#!/usr/bin/env bash\nexit 1\n")
    old.chmod(0o755)
    for tool in ("cat", "dirname", "sha256sum"):
        (bare_machine / tool).symlink_to(f"/usr/bin/{tool}")
    done = run(str(copy / "deploy" / "venv.sh"), "run", PATH=str(bare_machine))
    assert done.returncode == 1
    assert "Overread needs Python 3.11 or newer, and none of these is: python3" in done.stderr
