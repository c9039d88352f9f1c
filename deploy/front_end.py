"""Install what the browser loads: the OHIF viewer and two small libraries, from npm packages into build/assets.

Every package is pinned by its SHA-512 and only what is needed of it is taken. Run by `make setup`; when nothing that
decides the result has changed, it does nothing. Needs npm and the standard library only.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

ASSETS = Path(__file__).resolve().parent.parent / "build" / "assets"
STAMP = "installed"
OHIF_ROOT = "/ohif/"
BROTLI = Path(__file__).parent / "brotli.js"
NDARRAY = (Path(__file__).parent / "ndarray.js").read_text(encoding="utf-8")
COMPRESSED = frozenset({".js", ".css", ".html", ".json", ".svg", ".wasm", ".txt"})


class CannotInstall(Exception):
    """The front end cannot be installed; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """Every match of `pattern` in the files named by `files` becomes `to`, word for word where `plain`.

    There must be exactly `count` of them.
    """

    files: str
    pattern: str
    to: str
    count: int
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Package:
    """One npm package: `take` maps a file or a folder (ending in a slash) of it to its place in build/assets."""

    name: str
    version: str
    sha512: str
    take: dict[str, str]
    leave: tuple[str, ...] = ()
    replacements: tuple[Replacement, ...] = field(default=())


# OHIF is built to live at `/`; the replacements move it to /ohif/. Browsers keep its hashed files for a year, so a
# replacement is changed only together with the version. Left out: source maps, what other hosts need, the service
# worker, the configuration (ours is config/ohif.js), and 105 MB of ONNX for a segmentation whose model is downloaded.
OHIF = Package(
    name="@ohif/app",
    version="3.13.2",
    sha512="WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA==",
    take={"dist/": "ohif/", "LICENSE": "ohif/LICENSE.txt"},
    leave=(
        "*.map", "dist/ort/*", "dist/customizations/*", "dist/sw.js", "dist/init-service-worker.js",
        "dist/app-config.js", "dist/google.js", "dist/oidc-client.min.js", "dist/silent-refresh.html",
        "dist/es6-shim.min.js", "dist/polyfill.min.js", "dist/_headers", "dist/_redirects", "dist/serve.json",
        "dist/assets/browserconfig.xml", "dist/assets/manifest.webapp", "dist/assets/yandex*",
        "dist/assets/apple-touch-startup-image-*", "dist/assets/mstile-*", "dist/assets/firefox_app_*",
    ),
    replacements=(
        Replacement(
            "ohif/index.html", r'<link rel="(?:apple-touch-startup-image|yandex-tableau-widget)"[^>]*>', "", 11
        ),
        Replacement("ohif/index.html", r'<meta name="msapplication-[^>]*>', "", 3),
        Replacement("ohif/index.html", r"<script[^>]*init-service-worker\.js[^>]*></script>", "", 1),
        Replacement("ohif/index.html", r'(src|href)="/', rf'\1="{OHIF_ROOT}', 19),
        Replacement("ohif/index.html", r'PUBLIC_URL="/"', f'PUBLIC_URL="{OHIF_ROOT}"', 2),
        Replacement("ohif/manifest.json", r'"src": "/', f'"src": "{OHIF_ROOT}', 9),
        Replacement("ohif/*.js", r'__webpack_require__\.p = "/"', f'__webpack_require__.p = "{OHIF_ROOT}"', 8),
        Replacement("ohif/*.css", r"url\(/", f"url({OHIF_ROOT}", 5),
        # views of ndarray without `new Function`, which the Content Security Policy refuses: segmentations need them
        Replacement(
            "ohif/*.bundle.*.js", r"(?s)function compileConstructor\(dtype, dimension\) \{.*?(?=function arrayDType\()",
            NDARRAY, 3, plain=True,
        ),
        # the viewport learns which measurements of an SR it shows after it may have drawn, and does not draw again
        Replacement(
            "ohif/*.bundle.*.js",
            r"(trackingIdentifiersByViewportId\[viewport\.id\] = \{\s*trackingUniqueIdentifiers,\s*activeIndex\s*\};)",
            r"\1 viewport.render();", 1,
        ),
        Replacement("ohif/app.bundle.*.js", r"'/dicom-microscopy-viewer/", f"'{OHIF_ROOT}dicom-microscopy-viewer/", 1),
    ),
)  # fmt: skip
HTMX = Package(
    name="htmx.org",
    version="2.0.11",
    sha512="Thx/WtpeOQqSrqBCw/A1cwGJGg4UrVa3+sW0GmrM3p4gJgO89ecH4qtbnyzDDWFvBTqjnIMCgELTNt636dtamA==",
    take={"dist/htmx.min.js": "web/htmx.min.js", "LICENSE": "web/htmx.LICENSE.txt"},
)
PICO = Package(
    name="@picocss/pico",
    version="2.1.1",
    sha512="kIDugA7Ps4U+2BHxiNHmvgPIQDWPDU4IeU6TNRdvXQM1uZX+FibqDQT2xUOnnO2yq/LUHcwnGlu1hvf4KfXnMg==",
    take={"css/pico.min.css": "web/pico.min.css", "LICENSE.md": "web/pico.LICENSE.txt"},
)
PACKAGES = (OHIF, HTMX, PICO)

# What npm has in its cache is as good as what it would ask for: the SHA-512 decides.
NPM_OPTIONS = ("--ignore-scripts", "--loglevel=error", "--prefer-offline", "--fetch-retries=1")

Fetch = Callable[[Package, Path], Path]


def npm_pack(package: Package, folder: Path) -> Path:
    """Let npm put the package's tarball into the empty `folder`."""
    spec = f"{package.name}@{package.version}"
    command = ["npm", "pack", spec, "--pack-destination", str(folder), *NPM_OPTIONS]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=900)
    except FileNotFoundError as error:
        raise CannotInstall("npm is missing: run `make setup`, which installs it.") from error
    except subprocess.TimeoutExpired as error:
        raise CannotInstall(f"npm did not bring {spec} within 15 minutes: check the network and try again.") from error
    found = list(folder.glob("*.tgz"))
    if done.returncode != 0 or len(found) != 1:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise CannotInstall(f"npm could not bring {spec} ({said[:300]}): check the network and npm's settings.")
    return found[0]


def check_integrity(package: Package, tarball: Path) -> None:
    """Refuse any tarball but the one that was pinned."""
    with tarball.open("rb") as file:
        digest = hashlib.file_digest(file, "sha512").digest()
    if digest != base64.b64decode(package.sha512):
        raise CannotInstall(
            f"{package.name} {package.version} is not the package that was pinned (its SHA-512 differs): "
            "do not use it; ask whoever runs your npm mirror."
        )


def destination(package: Package, path: str) -> str | None:
    """Say where in build/assets a file of the package goes; None for one that is not taken."""
    if any(fnmatch(path, pattern) for pattern in package.leave):
        return None
    for source, target in package.take.items():
        if path == source:
            return target
        if source.endswith("/") and path.startswith(source):
            return target + path.removeprefix(source)
    return None


def unpack(package: Package, tarball: Path, assets: Path) -> None:
    """Write the files that are taken. Refuses a tarball with links, devices or paths that lead elsewhere."""
    with tarfile.open(tarball, "r:gz") as archive:
        for member in archive:
            parts = PurePosixPath(member.name).parts
            if member.isdir():
                continue
            if not member.isfile() or member.name.startswith("/") or ".." in parts:
                raise CannotInstall(f"{package.name} {package.version} holds {member.name!r}, which is not a file.")
            target = destination(package, "/".join(parts[1:]))
            content = archive.extractfile(member) if target else None
            if target and content:
                file = assets / target
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content.read())


def replace(package: Package, change: Replacement, assets: Path) -> None:
    """Make one replacement; another number of matches than expected means that the package is not what we know."""
    count = 0
    for file in sorted(assets.glob(change.files)):
        text = file.read_text(encoding="utf-8")
        new, matches = re.subn(change.pattern, (lambda _: change.to) if change.plain else change.to, text)
        count += matches
        if matches:
            file.write_text(new, encoding="utf-8")
    if count != change.count:
        raise CannotInstall(
            f"{package.name} {package.version}: {change.pattern!r} occurs {count} times in {change.files}, "
            f"not {change.count}: look at the new version and correct deploy/front_end.py."
        )


def compress(assets: Path) -> None:
    """Put a .gz and a .br beside every file that gets smaller, for browsers that take them (all do).

    Brotli is that of Node.js, which comes with npm. Raises CannotInstall.
    """
    smaller = [file for file in sorted(assets.rglob("*")) if file.suffix in COMPRESSED and _gzipped(file)]
    listed = "\n".join(map(str, smaller))
    try:
        subprocess.run(["node", BROTLI], input=listed, text=True, check=True, capture_output=True, timeout=600)  # noqa: S607
    except FileNotFoundError as error:
        raise CannotInstall("node is missing: run `make setup`, which installs it with npm.") from error
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise CannotInstall("The viewer's files could not be compressed by node: try again.") from error


def _gzipped(file: Path) -> bool:
    raw = file.read_bytes()
    small = gzip.compress(raw, 9, mtime=0)
    if len(small) >= 0.95 * len(raw):
        return False
    file.with_name(file.name + ".gz").write_bytes(small)
    return True


def recipe() -> str:
    """Name everything that decides what is in build/assets: this file and the scripts beside it."""
    scripts = NDARRAY.encode() + BROTLI.read_bytes()
    return hashlib.sha256(Path(__file__).read_bytes() + scripts).hexdigest()


def install(assets: Path = ASSETS, packages: tuple[Package, ...] = PACKAGES, fetch: Fetch = npm_pack) -> bool:
    """Make `assets` hold the front end, all of it or, if anything fails, what was there before. Says whether it did."""
    stamp = assets / STAMP
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == recipe():
        return False
    assets.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="assets-", dir=assets.parent) as scratch:
        new = Path(scratch) / "new"
        _build(packages, new, Path(scratch), fetch)
        (new / STAMP).write_text(recipe(), encoding="utf-8")
        if assets.exists():
            assets.rename(Path(scratch) / "old")
        new.rename(assets)
    return True


def _build(packages: tuple[Package, ...], new: Path, scratch: Path, fetch: Fetch) -> None:
    for number, package in enumerate(packages):
        print(f"Installing {package.name} {package.version} from npm", file=sys.stderr, flush=True)
        folder = scratch / f"tarball-{number}"
        folder.mkdir()
        tarball = fetch(package, folder)
        check_integrity(package, tarball)
        unpack(package, tarball, new)
        for change in package.replacements:
            replace(package, change, new)
    compress(new)


def main() -> int:
    """Install; on failure say why in one sentence."""
    try:
        install()
    except CannotInstall as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        free = shutil.disk_usage(ASSETS.anchor).free // 2**20
        print(f"build/assets cannot be written ({error}); {free} MB are free.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
