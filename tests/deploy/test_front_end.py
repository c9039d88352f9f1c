"""deploy/front_end.py takes only the package that was pinned, and only what is wanted of it."""

import base64
import gzip
import hashlib
import importlib.util
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "front_end.py"
Tarball = Callable[..., Path]


@pytest.fixture(scope="module")
def front_end() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("front_end_under_test", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def tarball(tmp_path: Path) -> Tarball:
    def make(files: dict[str, bytes], *members: tarfile.TarInfo) -> Path:
        path = tmp_path / "package.tgz"
        with tarfile.open(path, "w:gz") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            for member in members:
                archive.addfile(member)
        return path

    return make


def pinned(front_end: ModuleType, path: Path, **given: Any) -> Any:
    digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    given = {"name": "viewer", "version": "1.0.0", "sha512": digest, "take": {"dist/": "viewer/"}} | given
    return front_end.Package(**given)


def install(front_end: ModuleType, path: Path, assets: Path, **given: Any) -> bool:
    package = pinned(front_end, path, **given)
    done: bool = front_end.install(assets, (package,), lambda _package, _folder: path)
    return done


def test_a_package_with_another_hash_is_refused_and_what_was_there_stays(
    front_end: ModuleType, tarball: Tarball, tmp_path: Path
) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    (assets / "index.html").write_text("the version of yesterday")
    path = tarball({"package/dist/index.html": b"not what was pinned"})
    with pytest.raises(front_end.CannotInstall, match=r"viewer 1\.0\.0 is not the package that was pinned"):
        install(front_end, path, assets, sha512=base64.b64encode(bytes(64)).decode())
    assert [file.name for file in assets.iterdir()] == ["index.html"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["assets", "package.tgz"]


@pytest.mark.parametrize("name", ["package/dist/../../../escaped", "/tmp/escaped", "../escaped"])
def test_a_path_that_leads_elsewhere_is_refused(
    front_end: ModuleType, tarball: Tarball, tmp_path: Path, name: str
) -> None:
    with pytest.raises(front_end.CannotInstall, match="which is not a file"):
        install(front_end, tarball({name: b"x"}), tmp_path / "assets")
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(front_end: ModuleType, tarball: Tarball, tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("package/dist/passwords")
    member.type = kind
    member.linkname = "/etc/passwd"
    with pytest.raises(front_end.CannotInstall, match="which is not a file"):
        install(front_end, tarball({}, member), tmp_path / "assets")
    assert not (tmp_path / "assets").exists()


def test_only_what_is_wanted_is_taken(front_end: ModuleType, tarball: Tarball, tmp_path: Path) -> None:
    path = tarball(
        {
            "package/dist/index.html": b"index",
            "package/dist/app.js.map": b"map",
            "package/package.json": b"{}",
            "package/LICENSE": b"MIT",
        }
    )
    take = {"dist/": "viewer/", "LICENSE": "viewer/LICENSE.txt"}
    assert install(front_end, path, tmp_path / "assets", take=take, leave=("*.map",))
    files = {str(file.relative_to(tmp_path / "assets")) for file in (tmp_path / "assets").rglob("*") if file.is_file()}
    assert files == {"installed", "viewer/index.html", "viewer/LICENSE.txt"}


def test_a_second_run_does_nothing(front_end: ModuleType, tarball: Tarball, tmp_path: Path) -> None:
    path = tarball({"package/dist/index.html": b"index"})
    assert install(front_end, path, tmp_path / "assets")
    path.unlink()
    assert not front_end.install(tmp_path / "assets", (), lambda _package, _folder: path)


def test_text_is_moved_below_our_root(front_end: ModuleType, tarball: Tarball, tmp_path: Path) -> None:
    change = front_end.Replacement("viewer/*.css", r"url\(/", "url(/ohif/", 2)
    path = tarball({"package/dist/a.css": b"url(/font.woff2)", "package/dist/b.css": b"url(/other.woff2)"})
    install(front_end, path, tmp_path / "assets", replacements=(change,))
    assert (tmp_path / "assets/viewer/a.css").read_text() == "url(/ohif/font.woff2)"


def test_a_package_that_is_not_as_we_know_it_is_refused(
    front_end: ModuleType, tarball: Tarball, tmp_path: Path
) -> None:
    change = front_end.Replacement("viewer/*.css", r"url\(/", "url(/ohif/", 1)
    with pytest.raises(front_end.CannotInstall, match="occurs 0 times"):
        install(front_end, tarball({"package/dist/a.css": b""}), tmp_path / "assets", replacements=(change,))


def test_text_lies_compressed_beside_itself_always_with_the_same_bytes(
    front_end: ModuleType, tarball: Tarball, tmp_path: Path
) -> None:
    script = b"export const answer = 42;\n" * 100
    path = tarball({"package/dist/app.js": script, "package/dist/tiny.js": b"1", "package/dist/picture.png": script})
    install(front_end, path, tmp_path / "assets")
    viewer = tmp_path / "assets" / "viewer"
    assert {file.name for file in viewer.glob("*.gz")} == {"app.js.gz"}
    compressed = (viewer / "app.js.gz").read_bytes()
    assert gzip.decompress(compressed) == script
    assert compressed == gzip.compress(script, 9, mtime=0)
    assert {file.name for file in viewer.glob("*.br")} == {"app.js.br"}
    unpacked = node(f'process.stdout.write(zlib.brotliDecompressSync(fs.readFileSync("{viewer}/app.js.br")))')
    assert unpacked == script


def node(script: str) -> bytes:
    """What Node.js writes."""
    head = 'const fs = require("fs"), zlib = require("zlib");\n'
    return subprocess.run(["node", "-e", head + script], check=True, capture_output=True, timeout=60).stdout


# A view of a 4 x 5 x 6 array, as ndarray's interface makes it and as NumPy does.
VIEWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "whole": lambda whole: whole,
    "whole.hi(2, 3)": lambda whole: whole[:2, :3],
    "whole.lo(1, 2, 3)": lambda whole: whole[1:, 2:, 3:],
    "whole.lo(1).hi(2, 2, 2)": lambda whole: whole[1:3, :2, :2],
    "whole.step(2, 1, -1)": lambda whole: whole[::2, :, ::-1],
    "whole.step(-1, -2)": lambda whole: whole[::-1, ::-2],
    "whole.transpose(2, 0, 1)": lambda whole: whole.transpose(2, 0, 1),
    "whole.pick(1)": lambda whole: whole[1],
    "whole.pick(null, 2)": lambda whole: whole[:, 2],
    "whole.pick(3, null, 5)": lambda whole: whole[3, :, 5],
    "whole.pick(1, 2, 3)": lambda whole: whole[1, 2, 3],
    "whole.pick(1).step(1, -1).transpose(1, 0)": lambda whole: whole[1][:, ::-1].T,
}
READ = """
const at = (view, ...to) => to.length === view.dimension ? view.get(...to)
  : Array.from({ length: view.shape[to.length] }, (_, next) => at(view, ...to, next));
const whole = compileConstructor("uint8", 3)(Uint8Array.from({ length: 120 }, (_, i) => i), [4, 5, 6], [30, 6, 1], 0);
"""


@pytest.mark.parametrize("view", VIEWS)
def test_our_ndarray_sees_what_numpy_sees(front_end: ModuleType, view: str) -> None:
    """OHIF's segmentations rest on it."""
    seen = json.loads(node(f"{front_end.NDARRAY}{READ}process.stdout.write(JSON.stringify(at({view})));"))
    assert seen == VIEWS[view](np.arange(120).reshape(4, 5, 6)).tolist()


def test_our_ndarray_writes_where_it_reads(front_end: ModuleType) -> None:
    written = "const row = whole.pick(1, 2).step(-1); row.set(0, 200);"
    read = "process.stdout.write(JSON.stringify([whole.get(1, 2, 5), row.get(0), row.size]))"
    assert json.loads(node(f"{front_end.NDARRAY}{READ}{written}{read}")) == [200, 200, 6]


def test_a_missing_npm_is_one_clear_sentence(
    front_end: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(front_end.CannotInstall, match="npm is missing: run `make setup`"):
        front_end.npm_pack(front_end.HTMX, tmp_path)


def test_an_npm_that_fails_is_one_clear_sentence(
    front_end: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error network unreachable' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(
        front_end.CannotInstall, match="could not bring htmx.org@2.0.11 .*unreachable.*check the network"
    ):
        front_end.npm_pack(front_end.HTMX, tmp_path)
