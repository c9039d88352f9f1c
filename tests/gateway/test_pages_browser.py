"""The pages in a real Chromium, on a whole running installation: what scripts do, and that no text is lost."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect
from pydicom.uid import generate_uid

pytestmark = [pytest.mark.peers, pytest.mark.flow]

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip
PATIENCE = 60_000  # milliseconds, for what workers do
SAVED = re.compile(r"^Saved \d\d:\d\d:\d\d$")


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def enter(chromium: Browser, installation: Any) -> Iterator[Callable[..., Page]]:
    """`enter("reader")`: a page of a new window, signed in by one click on the demonstration's list."""
    windows: dict[str, BrowserContext] = {}

    def sign_in(who: str) -> Page:
        if who not in windows:
            windows[who] = chromium.new_context(base_url=installation.url, timezone_id="Europe/Berlin")
            page = windows[who].new_page()
            page.goto("/login")
            page.click(f"[data-email='{who}@demo.example']")
            page.get_by_role("button", name="Sign out").wait_for()
            page.close()
        page = windows[who].new_page()
        page.set_default_timeout(20_000)
        return page

    yield sign_in
    for window in windows.values():
        window.close()


def write_cd(folder: Path, make: Callable[..., bytes]) -> Path:
    """A folder as from a CD: six images of one head CT in it, a README, an autorun file, a truncated image."""
    (folder / "DICOM").mkdir(parents=True)
    same = {name: generate_uid() for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")}
    images = [make(InstanceNumber=number, PatientName="Upload^Uma", **same) for number in range(1, 7)]
    for number, image in enumerate(images, 1):
        (folder / "DICOM" / f"IM{number}").write_bytes(image)
    (folder / "DICOM" / "IM_CUT").write_bytes(images[0][:700])
    (folder / "README.TXT").write_text("Read me")
    (folder / "autorun.inf").write_text("[autorun]")
    return folder


@pytest.fixture
def cd(tmp_path: Path, make: Callable[..., bytes]) -> Path:
    return write_cd(tmp_path / "CD", make)


def write_request(page: Page, reason: str) -> int:
    """Fill in the form as a patient does; the new case's id."""
    page.goto("/requests/new")
    page.get_by_label("Why would you like a second opinion?").fill(reason)
    page.get_by_label("Question 1", exact=True).fill("Is it a tumour?")
    page.get_by_role("button", name="Go on to the images").click()
    page.wait_for_url("**/cases/*")
    return int(page.url.rpartition("/")[2])


def send_case(page: Page, cd: Path) -> int:
    """A case on the neuroradiologist's worklist, sent by the patient."""
    case = write_request(page, "To be sure.")
    page.set_input_files("#folder-input", cd)
    expect(page.locator("#progress-text")).to_contain_text("Done.")
    expect(page.locator("main")).to_contain_text("in your request", timeout=PATIENCE)
    page.get_by_role("button", name="Send my request").click()
    expect(page.locator("aside")).to_contain_text("With our specialists", timeout=PATIENCE)
    page.close()
    return case


@pytest.fixture(scope="module")
def shared_case(
    enter: Callable[..., Page], make: Callable[..., bytes], tmp_path_factory: pytest.TempPathFactory
) -> int:
    return send_case(enter("patient"), write_cd(tmp_path_factory.mktemp("shared") / "CD", make))


@pytest.fixture
def waiting_case(installation: Any, shared_case: int) -> Iterator[int]:
    """A case that nobody holds, now; an earlier test may have left its draft."""
    yield shared_case
    token = installation.token("coordinator@demo.example")
    installation.api("POST", f"/api/v1/cases/{shared_case}/release", token, {"reason": "The next test."})


def claim(page: Page, case: int) -> None:
    page.goto("/worklist")
    page.locator(f"#claim-{case}").click()
    page.wait_for_url(f"**/cases/{case}")


def write(page: Page) -> None:
    """Everything that a signature needs."""
    page.get_by_label("Findings").fill("Normal brain.")
    page.get_by_label("Impression").fill("No tumour.")
    page.get_by_label("1. Is it a tumour?").fill("No.")


def test_a_patient_uploads_a_folder_and_hears_what_became_of_every_file(enter: Callable[..., Page], cd: Path) -> None:
    page = enter("patient")
    write_request(page, "To be sure of my folder.")
    page.set_input_files("#folder-input", cd)
    expect(page.locator("#progress-text")).to_have_text(
        "Done. 6 images received. Below you see which are in your request."
    )
    groups = page.locator("#verdicts details")
    expect(groups.locator("summary")).to_have_text(
        ["6 images received and checked", "1 file could not be taken", "2 files left out, because not an image"]
    )
    groups.last.locator("summary").click()
    expect(groups.last).to_contain_text("CD/autorun.inf: not a DICOM image")
    expect(page.locator("#images")).to_contain_text("1 series, 6 images", timeout=PATIENCE)
    page.set_input_files("#folder-input", cd)
    expect(page.locator("#verdicts")).to_contain_text("6 images already here")


def test_a_zip_is_looked_into(enter: Callable[..., Page], cd: Path, tmp_path: Path) -> None:
    packed = tmp_path / "cd.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in cd.rglob("*.*"):
            archive.write(file, file.relative_to(cd))
        for file in (cd / "DICOM").glob("IM?"):
            archive.write(file, file.relative_to(cd))
    page = enter("patient")
    write_request(page, "To be sure of my zip.")
    page.set_input_files("#files-input", packed)
    expect(page.locator("#progress-text")).to_have_text(
        "Done. 6 images received. Below you see which are in your request."
    )
    expect(page.locator("#verdicts")).to_contain_text("2 files left out")


def test_an_upload_goes_on_after_the_line_was_interrupted(enter: Callable[..., Page], cd: Path) -> None:
    page = enter("patient")
    write_request(page, "To be sure of my line.")
    broken = iter([True] * 4)
    page.route("**/files?*", lambda route: route.abort() if next(broken, False) else route.continue_())
    page.set_input_files("#folder-input", cd)
    expect(page.locator("#upload-problem")).to_contain_text("What has arrived is safe")
    expect(page.locator("#progress-text")).to_have_text(
        "Done. 6 images received. Below you see which are in your request."
    )
    expect(page.locator("#upload-problem")).to_be_hidden()


def test_a_folder_without_images_is_said_to_be_one(enter: Callable[..., Page], tmp_path: Path) -> None:
    (tmp_path / "holiday.txt").write_text("Dear diary")
    page = enter("patient")
    write_request(page, "To be sure of nothing.")
    page.set_input_files("#files-input", tmp_path / "holiday.txt")
    expect(page.locator("#progress-text")).to_contain_text("There was no image in what you chose")
    expect(page.locator("#send-hint")).to_have_text("Add your images first.")


def test_what_a_reader_types_is_saved_and_is_there_again(
    enter: Callable[..., Page], installation: Any, wait_for: Callable[..., None], waiting_case: int
) -> None:
    boss = installation.token("coordinator@demo.example")
    request = {"reason": "Second look", "prior_report": "Normal."}
    assert installation.api("PUT", f"/api/v1/cases/{waiting_case}/request", boss, request)[0] == 200
    page = enter("reader")
    claim(page, waiting_case)
    page.get_by_label("Minor difference").check()
    page.get_by_label("Findings").fill("")
    page.get_by_label("Findings").press_sequentially("Normal brain.")
    token = installation.token("reader@demo.example")
    case = f"/api/v1/cases/{waiting_case}"
    wait_for(lambda: installation.api("GET", case, token)[1]["opinion"].get("findings") == "Normal brain.")
    expect(page.locator("#saved")).to_have_text(SAVED)
    page.reload()
    expect(page.get_by_label("Findings")).to_have_value("Normal brain.")
    expect(page.get_by_label("Minor difference")).to_be_checked()


def test_text_survives_a_server_that_does_not_answer(enter: Callable[..., Page], waiting_case: int) -> None:
    page = enter("reader")
    claim(page, waiting_case)
    page.route("**/opinion", lambda route: route.abort())
    page.get_by_label("Impression").fill("Written while the server was away.")
    expect(page.locator("#saved")).to_contain_text("Not saved. Overread cannot be reached.")
    page.on("dialog", lambda dialog: dialog.accept())  # the page warns of leaving with text that is not saved
    page.reload()
    expect(page.locator("#saved")).to_contain_text("Brought back what you wrote")
    expect(page.get_by_label("Impression")).to_have_value("Written while the server was away.")
    page.unroute("**/opinion")
    expect(page.locator("#saved")).to_have_text(SAVED)


def test_a_reader_who_lost_the_case_is_told_so_and_keeps_the_text(
    enter: Callable[..., Page], installation: Any, waiting_case: int
) -> None:
    page = enter("reader")
    claim(page, waiting_case)
    token = installation.token("coordinator@demo.example")
    status, _ = installation.api("POST", f"/api/v1/cases/{waiting_case}/release", token, {"reason": "Taken back."})
    assert status == 200
    page.get_by_label("Findings").fill("Too late.")
    expect(page.locator("#saved")).to_have_attribute("data-state", "stopped")
    expect(page.get_by_label("Findings")).to_have_value("Too late.")


def test_a_second_reader_reads_who_was_first(enter: Callable[..., Page], installation: Any, waiting_case: int) -> None:
    page = enter("reader")
    page.goto("/worklist")
    page.locator(f"#claim-{waiting_case}").wait_for()
    token = installation.token("reader@demo.example")
    assert installation.api("POST", f"/api/v1/cases/{waiting_case}/claim", token)[0] == 200
    page.locator(f"#claim-{waiting_case}").click()
    expect(page.get_by_role("alert").first).to_contain_text("was first")


def test_the_list_refreshes_and_the_filter_keeps_words_and_focus(
    enter: Callable[..., Page], installation: Any, waiting_case: int
) -> None:
    page = enter("reader")
    page.goto("/worklist")
    page.keyboard.press("/")
    page.keyboard.type("upload uma")
    expect(page.locator("#filtered")).to_contain_text("shown")
    token = installation.token("reader@demo.example")
    assert installation.api("POST", f"/api/v1/cases/{waiting_case}/claim", token)[0] == 200
    expect(page.locator(f"#open-{waiting_case}")).to_have_text("Go on", timeout=PATIENCE)
    expect(page.locator("#filter")).to_be_focused()
    expect(page.locator("#filter")).to_have_value("upload uma")
    hidden = page.locator("tr[data-row]:not(:has-text('Uma Upload'))")
    assert all(not hidden.nth(index).is_visible() for index in range(hidden.count()))


def test_a_reader_signs_and_the_patient_downloads(enter: Callable[..., Page], cd: Path) -> None:
    case = send_case(enter("patient"), cd)
    page = enter("reader")
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    claim(page, case)
    page.get_by_role("button", name="Sign…").click()
    dialog = page.locator("dialog")
    expect(dialog).to_contain_text("The impression is empty")
    dialog.get_by_role("button", name="Back to the text").click()
    write(page)
    page.get_by_role("button", name="Preview").click()
    expect(dialog).to_contain_text("No tumour.")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Sign…").click()
    dialog.get_by_role("button", name="Sign", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("Signed.")
    page.locator("#get-sr").wait_for(timeout=PATIENCE)
    assert complaints == []
    read_as_patient(enter("patient"), case)


def read_as_patient(theirs: Page, case: int) -> None:
    theirs.goto(f"/cases/{case}")
    expect(theirs.locator("aside")).to_contain_text("Your second opinion is ready", timeout=PATIENCE)
    expect(theirs.locator(".report")).to_contain_text("No tumour.")
    with theirs.expect_download() as download:
        theirs.locator("#get-pdf").click()
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize(("who", "path"), [("reader", "/worklist"), ("coordinator", "/oversight"),
                                           ("hospital", "/site"), ("patient", "/requests/new")])  # fmt: skip
@pytest.mark.parametrize("width", [390, 1440])
def test_a_page_fits_its_screen_and_its_first_stop_skips_the_menu(
    enter: Callable[..., Page], who: str, path: str, width: int
) -> None:
    page = enter(who)
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(path)
    widths: list[int] = page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
    assert widths[0] <= widths[1]
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.close()


TOOLS = """() => [...document.querySelectorAll("button")].map(one => one.getBoundingClientRect())
  .filter(box => box.width && box.top < 48).map(box => [box.left, box.right])"""  # of the viewer's uppermost line


def test_beside_the_report_no_tool_lies_over_another_and_a_small_screen_shows_the_report_alone(
    enter: Callable[..., Page], waiting_case: int
) -> None:
    page = enter("reader")
    page.set_viewport_size({"width": 1280, "height": 800})
    claim(page, waiting_case)
    page.get_by_role("button", name="Show beside the report").click()
    page.locator("#beside iframe").content_frame.locator("[data-cy='redo-btn']").wait_for(timeout=PATIENCE)
    (viewer,) = (frame for frame in page.frames if "/ohif/" in frame.url)
    tools = sorted(viewer.evaluate(TOOLS))
    assert len(tools) > 8
    assert all(left[1] <= right[0] + 1 for left, right in pairwise(tools)), tools
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.locator("#beside")).to_be_hidden()
    widths: list[int] = page.evaluate(
        "() => [...document.querySelectorAll('#reading > div')].map(one => one.clientWidth)"
    )
    assert all(width > 340 for width in widths), widths
    page.set_viewport_size({"width": 1280, "height": 800})
    expect(page.locator("#beside iframe")).to_be_visible()
    page.get_by_role("button", name="Hide the images").click()
