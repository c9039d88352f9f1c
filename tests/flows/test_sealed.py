"""What a running installation writes before the archive has it is sealed, and its processes leave no core."""

from __future__ import annotations

from pathlib import Path

from config.rewrapping import keys_needed


def sealed_or_gone(path: Path) -> bool:
    try:
        return bool(keys_needed(path))
    except FileNotFoundError:  # the worker carried it on meanwhile
        return True


def test_everything_in_the_inbox_is_sealed_and_no_process_leaves_a_core(installation) -> None:
    data = installation.data
    for place in ("inbox/new", "inbox/held", "inbox/damaged", "inbox/refused", "quarantine"):
        assert all(sealed_or_gone(path) for path in (data / place).iterdir())
    assert keys_needed(data / "keys.check")
    assert (data / "keys.json").stat().st_mode & 0o777 == 0o600
    for pid in installation.processes():
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert "Max core file size        0                    0" in limits
    assert "seals" in installation.overread("keys", "list").stdout
