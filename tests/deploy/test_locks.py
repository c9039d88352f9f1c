"""The lock files pin everything by digest and name no address."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("bootstrap.lock", "run.lock", "dev.lock")
PIN = re.compile(r"^([a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==([^ ;]+)")


def requirements(lock: str) -> list[str]:
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return re.sub(r" \\\n", " ", "\n".join(lines)).splitlines()


def pins(lock: str) -> dict[str, str]:
    found = [PIN.match(line) for line in requirements(lock)]
    return {match[1]: match[2] for match in found if match}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_pinned_with_its_hashes(lock: str) -> None:
    for line in requirements(lock):
        assert PIN.match(line), line
        assert "--hash=sha256:" in line, line


@pytest.mark.parametrize("lock", LOCKS)
def test_no_address_of_an_index_is_in_a_lock(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert "index-url" not in text


def test_development_installs_the_very_versions_that_run() -> None:
    assert pins("run.lock").items() <= pins("dev.lock").items()


def test_what_the_project_asks_for_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[\[~>=<; ]", line)[0] for line in project["dependencies"]}
    tools = {re.split(r"[\[~>=<; ]", line)[0] for line in project["optional-dependencies"]["dev"]}
    assert names <= pins("run.lock").keys()
    assert names | tools <= pins("dev.lock").keys()


def test_the_project_can_be_built_without_the_network() -> None:
    assert {"setuptools", "uv"} <= pins("bootstrap.lock").keys()
