"""The viewer as `make setup` installed it is served whole, compressed, isolated, and with a policy it works with."""

import base64
import gzip
import hashlib
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, Playwright

from config.settings import Viewer
from gateway.assets import INLINE_SCRIPT, WORKER, AssetsMissing, content_security_policy, mount
from gateway.viewer_config import viewer_config

SETTINGS = Viewer(name="Overread", workers=3, prefetch=25, saving=True)
ASSETS = Path(__file__).parents[2] / "build" / "assets"
VIEWER = ASSETS / "ohif"
CHROMIUM = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
HASHED = sorted(file.name for file in VIEWER.glob("app.bundle.*.js"))


def application() -> Flask:
    """An application that has no study at all."""
    app = Flask(__name__, static_folder=None)
    app.add_url_rule("/dicom-web/studies", view_func=lambda: [], endpoint="studies")
    app.add_url_rule("/dicom-web/studies/<uid>/series", view_func=lambda uid: [], endpoint="series")
    app.add_url_rule("/", view_func=lambda: "ours", endpoint="home")
    mount(app, ASSETS, SETTINGS)
    return app


@pytest.fixture
def client() -> FlaskClient:
    return application().test_client()


class ThreadingServer(ThreadingMixIn, WSGIServer):
    """Closes a file that the browser stopped reading, as granian does; werkzeug's does not."""


@pytest.fixture
def address() -> Iterator[str]:
    server = make_server("127.0.0.1", 0, application(), ThreadingServer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def page(playwright: Playwright) -> Iterator[Page]:
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
    yield browser.new_page()
    browser.close()


def test_a_missing_front_end_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AssetsMissing, match="run 'make setup'"):
        mount(Flask(__name__), tmp_path, SETTINGS)


def test_a_hashed_file_is_kept_for_good_and_a_page_is_asked_for_again(client: FlaskClient) -> None:
    (bundle,) = HASHED
    with client.get(f"/ohif/{bundle}") as answer:
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
    for path in (
        "/ohif/",
        "/ohif/app-config.js",
        "/ohif/app.bundle.css",
        "/static/htmx.min.js",
        "/static/pico.min.css",
    ):
        with client.get(path) as answer:
            assert answer.status_code == 200
            assert answer.headers["Cache-Control"] == "no-cache"
            assert answer.headers["ETag"]


def test_compressed_bytes_go_to_those_who_take_them(client: FlaskClient) -> None:
    (bundle,) = HASHED
    with client.get(f"/ohif/{bundle}", headers={"Accept-Encoding": "gzip"}) as compressed:
        assert compressed.headers["Content-Encoding"] == "gzip"
        assert "Accept-Encoding" in compressed.headers["Vary"]
        assert gzip.decompress(compressed.data) == (VIEWER / bundle).read_bytes()
    with client.get(f"/ohif/{bundle}", headers={"Accept-Encoding": "gzip, deflate, br, zstd"}) as smaller:
        assert smaller.headers["Content-Encoding"] == "br"
        assert smaller.data == (VIEWER / f"{bundle}.br").read_bytes()
        assert len(smaller.data) < 0.85 * len(compressed.data)
    with client.get(f"/ohif/{bundle}") as plain:
        assert "Content-Encoding" not in plain.headers


def test_the_configuration_says_what_the_settings_say_and_is_sent_again_only_when_it_changed(
    client: FlaskClient,
) -> None:
    first = client.get("/ohif/app-config.js")
    assert first.mimetype == "text/javascript"
    assert first.text.startswith(
        'const deployment = {"name": "Overread", "workers": 3, "prefetch": 25, "saving": true};\n'
    )
    again = client.get("/ohif/app-config.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert client.head("/ohif/app-config.js").headers["Content-Length"] == str(len(first.data))
    assert client.post("/ohif/app-config.js").status_code == 405
    others = viewer_config(Viewer(name='City "Reads" </script>', workers=1, prefetch=0, saving=False)).decode()
    assert r'const deployment = {"name": "City \"Reads\" \u003c/script>", "workers": 1' in others


@pytest.mark.parametrize("path", ["/ohif/", "/ohif/viewer", "/ohif/segmentation", "/ohif/viewer/overread"])
def test_every_address_of_the_viewer_is_its_one_page(client: FlaskClient, path: str) -> None:
    with client.get(path, query_string={"StudyInstanceUIDs": "1.2.3"}) as answer:
        assert answer.status_code == 200
        assert answer.data == (VIEWER / "index.html").read_bytes()


def test_the_viewer_without_its_slash_leads_to_the_viewer(client: FlaskClient) -> None:
    assert client.get("/ohif").headers["Location"] == "/ohif/"


@pytest.mark.parametrize(
    "path",
    ["sw.js", "init-service-worker.js", "google.js", "nothing.js", "../pyproject.toml", "%2e%2e/web/htmx.min.js"],
)
def test_what_is_not_there_is_not_found(client: FlaskClient, path: str) -> None:
    assert client.get(f"/ohif/{path}").status_code == 404


def test_everything_else_is_left_to_the_application(client: FlaskClient) -> None:
    assert client.get("/").text == "ours"
    assert client.get("/static/nothing.css").status_code == 404


def test_nothing_can_be_sent_to_the_viewer(client: FlaskClient) -> None:
    assert client.post("/ohif/viewer").status_code == 405


def test_the_viewer_is_isolated_from_other_sites(client: FlaskClient) -> None:
    with client.get("/ohif/viewer") as answer:
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_the_policy_allows_the_inline_scripts_of_the_page_and_no_others() -> None:
    index = (VIEWER / "index.html").read_text(encoding="utf-8")
    scripts = INLINE_SCRIPT.findall(index)
    assert len(scripts) == 2
    policy = content_security_policy(index)
    for script in scripts:
        assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy
    assert policy.count("'sha256-") == 2
    assert "'unsafe-eval'" not in policy
    assert "frame-ancestors 'self'" in policy


def test_only_the_workers_of_the_viewer_may_make_code_out_of_text(client: FlaskClient) -> None:
    scripts = {f"/ohif/{file.name}": file.read_text(encoding="utf-8") for file in VIEWER.glob("*.bundle.*.js")}
    entries = {url for url, text in scripts.items() if '__webpack_require__.p = "/ohif/"' in text}
    workers = {url for url in scripts if WORKER.search(url)}
    assert workers == {url for url in entries if "app.bundle" not in url}
    for url in scripts:
        with client.get(url) as answer:
            assert ("'unsafe-eval'" in answer.headers["Content-Security-Policy"]) is (url in workers)


@pytest.mark.parametrize("pattern", [r'(?:src|href)="/(?!ohif/)', r"url\(/(?!ohif/)", r'__webpack_require__\.p = "/"'])
def test_nothing_of_the_viewer_looks_for_files_outside_its_folder(pattern: str) -> None:
    for file in [VIEWER / "index.html", *VIEWER.glob("*.css"), *VIEWER.glob("*.bundle.*.js")]:
        if file.suffix != ".js" or pattern.startswith("__"):
            assert not re.search(pattern, file.read_text(encoding="utf-8")), file.name


@pytest.mark.peers
def test_the_viewer_starts_in_a_browser(address: str, page: Page) -> None:
    complaints: list[str] = []
    page.on("response", lambda answer: answer.status < 400 or complaints.append(f"{answer.status} {answer.url}"))
    page.on("requestfailed", lambda request: complaints.append(f"failed {request.url}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: said.type != "error" or complaints.append(said.text))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}/ohif/viewer?StudyInstanceUIDs=1.2.3")
    page.wait_for_url("**/ohif/notfoundstudy*")
    page.get_by_text("not available").wait_for()
    page.wait_for_load_state("networkidle")
    assert not complaints
    assert all(url.startswith(f"{address}/") for url in asked)
    assert any(url.startswith(f"{address}/dicom-web/studies?") for url in asked)
    assert page.evaluate("crossOriginIsolated") is True


@pytest.mark.peers
def test_the_viewer_knows_our_archive_only(address: str, page: Page) -> None:
    page.goto(f"{address}/ohif/", wait_until="networkidle")
    sources = page.evaluate(
        "window.config.dataSources.map(source => [source.namespace, source.configuration.wadoRoot])"
    )
    assert sources == [["@ohif/extension-default.dataSourcesModule.dicomweb", "/dicom-web"]]
    assert page.evaluate("window.config.showStudyList") is False


ROOTS_OF_PAGES = {
    "": "/dicom-web",
    "case=7": "/dicom-web/cases/7",
    "case=999999999": "/dicom-web/cases/999999999",
    "case=": "/dicom-web/cases/0",
    "case=0": "/dicom-web/cases/0",
    "case=07": "/dicom-web/cases/0",
    "case=1234567890": "/dicom-web/cases/0",
    "case=7&case=8": "/dicom-web/cases/0",
    "case=7%0A": "/dicom-web/cases/0",
    "case=%D9%A7": "/dicom-web/cases/0",
    "case=../../api": "/dicom-web/cases/0",
    "case=//evil.example": "/dicom-web/cases/0",
    "case=https:%2F%2Fevil.example%2F7": "/dicom-web/cases/0",
}


@pytest.mark.peers
def test_the_viewer_asks_below_the_case_of_its_page_and_writes_nothing_but_a_number_into_an_address(
    address: str, page: Page
) -> None:
    page.route(
        "**/*", lambda route: route.fulfill(content_type="text/html", body="<title>only the configuration</title>")
    )
    configuration = viewer_config(SETTINGS).decode()
    for query, root in ROOTS_OF_PAGES.items():
        page.goto(f"{address}/ohif/viewer?StudyInstanceUIDs=1.2.3&{query}")
        page.add_script_tag(content=configuration)
        (source,) = page.evaluate("window.config.dataSources.map(source => source.configuration)")
        assert {source[kind] for kind in ("qidoRoot", "wadoRoot", "wadoUriRoot")} == {root}, query


@pytest.mark.peers
def test_the_page_of_the_viewer_cannot_make_code_out_of_text(address: str, page: Page) -> None:
    page.goto(f"{address}/ohif/", wait_until="networkidle")
    refused = "() => new Promise(done => setTimeout(() => { try { new Function('1') } catch (e) { done(e.name) } }))"
    assert page.evaluate(refused) == "EvalError"
