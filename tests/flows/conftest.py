"""Hospitals, patients and readers as they are: studies made here, DCMTK on the other side, OHIF in Chromium."""

import json
import os
import shutil
import subprocess
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import IO, Any
from urllib import request

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Playwright, expect
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.misc import is_dicom
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from gateway.supervisor import die_with_parent
from scp.part10 import split_part10

FAST = os.environ | {"TCP_NODELAY": "1"}
NUMBERS = count(1)
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
)  # fmt: skip
CLASSES = {"CT": CTImageStorage, "MR": MRImageStorage}


# --- studies ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sent:
    """A study on disk, as somebody sends it."""

    folder: Path
    header: Dataset  # of the first instance, without its pixels
    pictures: tuple[np.ndarray, ...]

    @property
    def study_uid(self) -> str:
        return str(self.header.StudyInstanceUID)

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.iterdir())

    def datasets(self) -> dict[str, bytes]:
        """Each instance's dataset, byte by byte, by its SOP Instance UID."""
        return dict(dataset_of(file.read_bytes()) for file in self.files)


def dataset_of(part10: bytes) -> tuple[str, bytes]:
    return str(dcmread(BytesIO(part10), stop_before_pixels=True).SOPInstanceUID), bytes(split_part10(part10)[1])


def head_slice(size: int, place: float) -> np.ndarray:
    """A head in Hounsfield units: air, skull, brain, ventricles and, on one side only, a bright spot."""
    y, x = (np.mgrid[:size, :size] + 0.5) / size * 2 - 1
    wide = 0.78 - 0.25 * abs(place)

    def ellipse(a: float, b: float, at: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
        return (x / wide - at[0]) ** 2 / a**2 + (y / wide - at[1]) ** 2 / b**2 < 1

    picture = np.full((size, size), -1000.0)
    picture[ellipse(0.85, 1.05)] = 1100
    picture[ellipse(0.76, 0.96)] = 36
    for side in (-0.16, 0.16):
        picture[ellipse(0.09, 0.3, (side, -0.05))] = 4
    picture[ellipse(0.14, 0.12, (0.38, 0.3))] = 72
    noise = np.random.default_rng(int(1e6 * (place + 2))).normal(0, 3, picture.shape)
    return (picture + noise).astype("<i2")


def instance(header: Dataset, number: int, picture: np.ndarray, spacing: float) -> bytes:
    ds = Dataset()
    ds.update(header)
    ds.SOPInstanceUID, ds.InstanceNumber = generate_uid(), number
    ds.ImagePositionPatient = [0, 0, number * spacing]
    ds.PixelData = picture.tobytes()
    ds["PixelData"].VR = "OW"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    out = BytesIO()
    dcmwrite(out, ds, enforce_file_format=True)
    return out.getvalue()


def image_header(modality: str, size: int, **more: Any) -> Dataset:
    number = next(NUMBERS)
    ds = Dataset()
    ds.SOPClassUID = CLASSES[modality]
    ds.ImageType, ds.Modality, ds.Manufacturer = ["ORIGINAL", "PRIMARY", "AXIAL"], modality, "Overread tests"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = generate_uid(), ""
    ds.PatientName, ds.PatientID = f"Synthetic^Flow{number}^^Mrs.", f"FLOW-{number:04}"
    ds.IssuerOfPatientID, ds.PatientBirthDate, ds.PatientSex = "FLOW_HOSPITAL", "19610704", "F"
    ds.StudyDate, ds.StudyTime, ds.StudyID = "20261120", "101530", "7"
    ds.AccessionNumber, ds.ReferringPhysicianName = f"ACC{number:05}", "Referrer^Rita^^Dr."
    ds.StudyDescription, ds.SeriesDescription, ds.BodyPartExamined = f"{modality} Head", "Axial 2 mm", "HEAD"
    ds.SeriesNumber, ds.SeriesDate, ds.SeriesTime, ds.ContentDate, ds.ContentTime = 1, "20261120", "101600", "", ""
    ds.Rows = ds.Columns = size
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.PixelSpacing, ds.SliceThickness, ds.ImageOrientationPatient = [0.5, 0.5], 2, [1, 0, 0, 0, 1, 0]
    ds.WindowCenter, ds.WindowWidth = 40, 80
    if modality == "CT":
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType, ds.KVP = 0, 1, "HU", 120
    for keyword, value in more.items():
        setattr(ds, keyword, value)
    return ds


MakeStudy = Callable[..., Sent]


@pytest.fixture
def make_study(tmp_path: Path) -> MakeStudy:
    """`make_study(60, modality="CT", size=256, PatientName=…)`: a synthetic head, written to a folder of its own."""

    def make(slices: int, modality: str = "CT", size: int = 256, **more: Any) -> Sent:
        header = image_header(modality, size, **more)
        folder = tmp_path / f"study-{header.StudyInstanceUID}"
        folder.mkdir()
        pictures = tuple(head_slice(size, 2 * number / slices - 1) for number in range(slices))
        for number, picture in enumerate(pictures, 1):
            (folder / f"{number:04}.dcm").write_bytes(instance(header, number, picture, 2))
        return Sent(folder, dcmread(folder / "0001.dcm", stop_before_pixels=True), pictures)

    return make


# --- hospitals ----------------------------------------------------------------------------------------------------


def run_tool(name: str, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a DCMTK or dicom3tools program to its end; one that is not installed fails the test."""
    path = shutil.which(name)
    assert path, f"{name} is missing: apt-get install dcmtk dicom3tools"
    done = subprocess.run(
        [path, *map(str, arguments)], env=FAST, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=120, check=False, errors="replace",
    )  # fmt: skip
    assert not check or done.returncode == 0, f"{name} ended with {done.returncode}:\n{done.stdout}"
    return done


@pytest.fixture(scope="session")
def tool() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`tool("echoscu", …)`: a real program, run to its end; what it says is in `.stdout`."""
    return run_tool


@contextmanager
def serving(title: str, port: int, *command: object) -> Iterator[None]:
    """Run a server of DCMTK from when it answers a C-ECHO until the end of the block."""
    path = shutil.which(str(command[0]))
    assert path, f"{command[0]} is missing: apt-get install dcmtk"
    process = subprocess.Popen(
        [path, *map(str, command[1:])], env=FAST, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent,
    )  # fmt: skip
    try:
        echo = ("echoscu", "-aet", "OVERREAD", "-aec", title, "127.0.0.1", port)
        answer_of(lambda: run_tool(*echo, check=False).returncode == 0, f"a C-ECHO of {command[0]}", 20)
        yield
    finally:
        process.terminate()
        process.wait(10)


@dataclass
class Hospital:
    """A site of one test: it sends from AE title `title`, and receives on the same one at `port`."""

    installation: Any
    code: str
    title: str
    port: int
    folder: Path

    def storescu(self, *what: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        words = ("-v", "-aet", self.title, "-aec", "OVERREAD", "127.0.0.1", self.installation.dicom, "+sd", *what)
        return run_tool("storescu", *words, check=check)

    @contextmanager
    def sending(self, *what: object) -> Iterator[IO[str]]:
        """The words of a storescu while it sends, at the pace of a PACS that leaves Nagle's algorithm on."""
        words = ("-v", "-to", 10, "-ta", 10, "-td", 30, "-aet", self.title, "-aec", "OVERREAD", "127.0.0.1")
        process = subprocess.Popen(
            ["/usr/bin/storescu", *map(str, (*words, self.installation.dicom, *what))],
            env={"PATH": os.environ["PATH"]}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        with process.stdout as said:
            yield said
        process.wait(60)

    @staticmethod
    def tool(name: str, *arguments: object, check: bool = True) -> str:
        """What one of its programs says, run to its end."""
        return run_tool(name, *arguments, check=check).stdout

    def push(self, sent: Sent) -> None:
        """Send a whole study; every instance must be acknowledged."""
        said = self.storescu(sent.folder).stdout
        assert said.count("Received Store Response (Success)") == len(sent.files), said[-3000:]

    def storescp(self) -> AbstractContextManager[None]:
        """A plain receiver, which offers no query; what comes lies in `folder`."""
        self.folder.mkdir(exist_ok=True)
        return serving(self.title, self.port, "storescp", "-aet", self.title, "-od", self.folder, self.port)

    def pacs(self) -> AbstractContextManager[None]:
        """A PACS that can be queried for what it has, and sends it to us when asked."""
        self.folder.mkdir(exist_ok=True)
        configuration = self.folder.parent / f"{self.title}.cfg"
        configuration.write_text(
            f"NetworkTCPPort = {self.port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
            f"HostTable BEGIN\nus = (OVERREAD, 127.0.0.1, {self.installation.dicom})\nHostTable END\n"
            "VendorTable BEGIN\nVendorTable END\n"
            f"AETable BEGIN\n{self.title} {self.folder} RW (200, 1024mb) ANY\nAETable END\n"
        )
        return serving(self.title, self.port, "dcmqrscp", "-c", configuration)

    def received(self) -> dict[str, Path]:
        """The files that came back, by modality."""
        files = (file for file in self.folder.iterdir() if file.is_file() and is_dicom(file))
        return {str(dcmread(file, stop_before_pixels=True).Modality): file for file in files}


AddHospital = Callable[..., Hospital]


@pytest.fixture
def add_hospital(tmp_path: Path, free_port: Callable[[], int]) -> AddHospital:
    """`add_hospital(installation, proof="query")`: a new site there, by the command; it may send on return."""

    def add(installation: Any, proof: str = "status") -> Hospital:
        number = f"{os.getpid()}_{next(NUMBERS)}"
        made = Hospital(installation, f"FLOW_{number}", f"FLOW{number}"[-16:], free_port(), tmp_path / f"pacs-{number}")
        peers = ("--sends-from", made.title, "--receives-on", f"{made.title}@127.0.0.1:{made.port}", "--proof", proof)
        said = installation.overread("site", "add", made.code, "--name", f"Flow Hospital {number}", *peers)
        assert said.returncode == 0, said.stderr
        echo = ("echoscu", "-aet", made.title, "-aec", "OVERREAD", "127.0.0.1", installation.dicom)
        answer_of(lambda: run_tool(*echo, check=False).returncode == 0, "the new site's C-ECHO", 15)
        return made

    return add


@pytest.fixture
def demo_hospital(tmp_path: Path) -> Callable[[Any], Hospital]:
    """`demo_hospital(installation)`: the site of the demonstration, which receives on a fixed port."""
    return lambda installation: Hospital(installation, "DEMO_HOSPITAL", "DEMO_PACS", 11113, tmp_path / "demo-pacs")


# --- the archive itself -------------------------------------------------------------------------------------------


def ask_orthanc(installation: Any, path: str, body: object = None) -> bytes:
    """Ask the installation's own Orthanc, past all of our code."""
    archive = json.loads((installation.data / "run.json").read_text())["archive"]
    asked = request.Request(archive["url"] + path, None if body is None else json.dumps(body).encode())
    secret = b64encode(f"{archive['username']}:{archive['password']}".encode()).decode()
    asked.add_header("Authorization", f"Basic {secret}")
    with request.urlopen(asked, timeout=30) as answer:
        return bytes(answer.read())


@pytest.fixture(scope="session")
def in_archive() -> Callable[[Any, str], dict[str, bytes]]:
    """`in_archive(installation, study_uid)`: each dataset that Orthanc has, by SOP Instance UID; twice fails."""

    def find(installation: Any, study_uid: str) -> dict[str, bytes]:
        wanted = {"Level": "Instance", "Query": {"StudyInstanceUID": study_uid}}
        ids = json.loads(ask_orthanc(installation, "/tools/find", wanted))
        found = [dataset_of(ask_orthanc(installation, f"/instances/{each}/file")) for each in ids]
        assert len(dict(found)) == len(found), "an instance is in the archive twice"
        return dict(found)

    return find


# --- people -------------------------------------------------------------------------------------------------------

OPINION = {
    "findings": "Hyperdense focus of 14 mm in the left frontal lobe. Ventricles symmetric, no shift.",
    "impression": "Small acute intraparenchymal haemorrhage, left frontal.",
    "recommendations": "Follow-up CT within 24 hours.",
    "answers": [],
    "concordance": "not_provided",
}


def answer_of(ask: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """The first answer that is true; fails if none ever is. Generous: it proves that, not how soon."""
    end = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < end, f"{what} did not happen within {seconds:.0f} s"
        time.sleep(0.1)
    return answer


@pytest.fixture(scope="session")
def eventually() -> Callable[..., Any]:
    """`eventually(ask, what, seconds)` is the first answer of `ask` that is true, and fails if none ever is."""
    return answer_of


@dataclass(frozen=True)
class Desk:
    """One person at the JSON API."""

    installation: Any
    email: str

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        return self.installation.api(method, "/api/v1" + path, self.installation.token(self.email), body)

    def get(self, path: str) -> Any:
        status, answer = self.ask("GET", path)
        assert status == 200, (status, answer)
        return answer

    def do(self, case_id: int, act: str, body: object = None, method: str = "POST") -> Any:
        status, answer = self.ask(method, f"/cases/{case_id}/{act}", body)
        assert status == 200, (act, status, answer)
        return answer

    def cases_of(self, study_uid: str, state: str = "") -> list[dict[str, Any]]:
        listed = self.get(f"/cases?state={state}")["cases"]
        return [case for case in listed if study_uid in case["study_uids"]]

    def wait_ready(self, study_uid: str) -> dict[str, Any]:
        """The case of that study, when a reader may claim it."""
        found = answer_of(lambda: self.cases_of(study_uid, "READY"), "a READY case", 90)
        assert len(found) == 1
        return dict(found[0])

    def wait_state(self, case_id: int, state: str, seconds: float = 60) -> dict[str, Any]:
        return dict(
            answer_of(
                lambda: (case := self.get(f"/cases/{case_id}"))["state"] == state and case,
                f"{state} of case {case_id}", seconds,
            )
        )  # fmt: skip

    def read_and_sign(self, case_id: int, **more: Any) -> None:
        self.do(case_id, "claim")
        self.do(case_id, "opinion", OPINION | more, "PUT")
        self.do(case_id, "sign")


@pytest.fixture
def desk() -> Callable[[Any, str], Desk]:
    """`desk(installation, "reader")`: that person of the demonstration, at the API."""
    return lambda installation, who: Desk(installation, who if "@" in who else f"{who}@demo.example")


# --- the browser --------------------------------------------------------------------------------------------------

PIXELS = """() => [...document.querySelectorAll('.cornerstone-canvas')].map(canvas => canvas.toDataURL('image/png'))"""


@dataclass
class Tab:
    """A page of the browser that remembers what went wrong in it."""

    page: Page
    wrong: list[str] = field(default_factory=list)

    def listen(self) -> None:
        self.page.on("response", lambda got: got.status >= 400 and self.wrong.append(f"{got.status} {got.url}"))
        self.page.on("requestfailed", self._failed)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))

    def _failed(self, asked: Any) -> None:
        if asked.failure != "net::ERR_ABORTED":  # the page itself changed its mind, e.g. about a prefetch
            self.wrong.append(f"{asked.failure} {asked.url}")

    def popup(self, selector: str) -> "Tab":
        """The window that a click opens."""
        with self.page.expect_popup() as opening:
            self.page.click(selector)
        opened = Tab(opening.value)
        opened.listen()
        return opened

    def see_images(self, url: str, study_uid: str) -> np.ndarray:
        """Open a study in OHIF; what is drawn, as grey values from 0 to 1, once there is something."""
        self.page.goto(f"{url}/ohif/viewer?StudyInstanceUIDs={study_uid}")
        return self.drawn()

    def canvases(self) -> list[np.ndarray]:
        """What each viewport shows."""
        shown = []
        for address in self.page.evaluate(PIXELS):
            picture = Image.open(BytesIO(b64decode(address.partition(",")[2]))).convert("RGBA")
            on_black = Image.new("RGBA", picture.size, "black")
            on_black.alpha_composite(picture)
            shown.append(np.asarray(on_black.convert("L"), dtype=float) / 255)
        return shown

    def drawn(self, seconds: float = 90) -> np.ndarray:
        """The first viewport's picture, once it is not blank."""

        def first() -> list[np.ndarray]:
            return [shown for shown in self.canvases()[:1] if shown.size and shown.std() > 0.02]

        return answer_of(first, "an image on OHIF's canvas", seconds)[0]


@dataclass
class Chromium:
    """A real browser; each person signs in by the form, once per installation."""

    browser: Browser
    screenshots: Path
    states: dict[tuple[str, str], Any] = field(default_factory=dict)

    @contextmanager
    def tab(self, url: str, email: str, width: int = 1400, height: int = 900) -> Iterator[Tab]:
        context = self.browser.new_context(
            viewport={"width": width, "height": height}, storage_state=self.states.get((url, email)),
            accept_downloads=True,
        )  # fmt: skip
        try:
            tab = Tab(context.new_page())
            if (url, email) not in self.states:
                sign_in(tab.page, url, email)
                self.states[url, email] = context.storage_state()
            tab.listen()
            yield tab
        except BaseException:
            self.keep(tab.page, "failed")
            raise
        finally:
            context.close()

    def keep(self, page: Page, name: str) -> None:
        """A picture for a person to look at."""
        page.screenshot(path=self.screenshots / f"{name}.png")


def sign_in(page: Page, url: str, email: str) -> None:
    page.goto(f"{url}/login")
    page.fill("#email", email)
    page.fill("#password", "demo")
    page.click("form#sign-in button[type=submit]")
    expect(page.locator("form#sign-in")).to_have_count(0)


@pytest.fixture(scope="session")
def chromium(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """Chromium without a screen. Screenshots stay in pytest's temporary folder."""
    assert CHROMIUM.exists(), "Chromium is missing: apt-get install chromium"
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
    yield Chromium(browser, tmp_path_factory.mktemp("screenshots"))
    browser.close()
