"""Every error has its status, says what to do, and tells nothing else."""

from __future__ import annotations

import flask
import pytest
from sqlalchemy.exc import OperationalError

from gateway.errors import STATUSES
from orthanc import errors as archive_errors
from orthanc.errors import ArchiveUnavailable
from sr_reports.errors import InvalidOpinion
from worklist import lifecycle, routes
from worklist.routes import Invalid

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PROBLEM = "application/problem+json"
EXAMPLES: dict[type[Exception], Exception] = {
    Invalid: Invalid("This is wrong.", "So is that."),
    InvalidOpinion: InvalidOpinion({"findings": "must be a text"}),
    OperationalError: OperationalError("SELECT secret", {}, Exception("10.0.0.5 refused")),
}


def example(kind: type[Exception]) -> Exception:
    return EXAMPLES.get(kind) or kind("A sentence for people.")


@pytest.fixture
def raising(web):
    """`raising(error, path)`: the answer when a view raises it."""

    def ask(error: Exception, path: str = "/api/v1/broken", **headers: str) -> flask.Response:
        def view() -> None:
            raise error

        web.app._got_first_request = False
        name = f"broken{len(web.app.view_functions)}"
        web.app.add_url_rule(f"{path}/{name}", name, view)
        return web.app.test_client().get(f"{path}/{name}", headers=headers)

    return ask


@pytest.mark.parametrize("kind", STATUSES, ids=lambda kind: kind.__name__)
def test_every_error_of_the_table_is_a_problem_for_programs_and_a_page_for_people(raising, kind) -> None:
    status, title = STATUSES[kind]
    answer = raising(example(kind))
    assert (answer.status_code, answer.content_type) == (status, PROBLEM)
    assert answer.json["title"] == title
    assert answer.json["status"] == status
    assert answer.json["detail"]
    assert (answer.headers.get("Retry-After") is not None) is (status == 503)
    page = raising(example(kind), "/broken")
    if status == 401:
        assert page.status_code == 302
        assert "/login" in page.location
    else:
        assert (page.status_code, page.mimetype) == (status, "text/html")


def test_errors_of_the_database_say_nothing_of_it(raising) -> None:
    answer = raising(example(OperationalError))
    assert b"secret" not in answer.data
    assert b"10.0.0.5" not in answer.data


def test_a_page_of_what_comes_back_offers_to_try_again(raising) -> None:
    page = raising(example(ArchiveUnavailable), "/broken")
    assert 'role="button">Try again</a>' in page.text
    assert "Try again</a>" not in raising(example(lifecycle.NotFound), "/broken").text


def test_a_form_of_an_old_page_is_explained_without_the_words_of_its_protection(web, people) -> None:
    """ "The CSRF token is missing." said nothing of what to do."""
    answer = web.app.test_client().post("/login", data={"email": "a@b.example", "password": "x"})
    assert answer.status_code == 400
    assert "load it again, and send it once more" in answer.text
    assert "CSRF" not in answer.text


def test_what_nobody_expected_is_500_without_its_words(raising) -> None:
    for path in ("/api/v1/broken", "/broken"):
        answer = raising(RuntimeError("the password is 1234"), path)
        assert answer.status_code == 500
        assert b"1234" not in answer.data


def test_a_kind_of_an_error_in_the_table_is_answered_like_it(raising) -> None:
    class Slow(ArchiveUnavailable):
        pass

    assert raising(Slow("later")).status_code == 503


def test_no_error_that_the_worklist_raises_is_missing_from_the_table(web) -> None:
    raised = {
        kind
        for module in (lifecycle, routes)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Exception) and kind.__module__ == module.__name__
    }
    assert raised <= set(STATUSES) <= set(web.app.error_handler_spec[None][None])
    assert archive_errors.ArchiveUnavailable in STATUSES


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/nothing", "/dicom-web/nothing", "/%2e%2e/etc/passwd"])
def test_an_address_that_is_none_is_404_and_does_not_repeat_what_was_asked(web, path: str) -> None:
    answer = web.app.test_client().get(f"{path}<script>alert(1)</script>")
    assert answer.status_code in {401, 404}
    assert b"<script>alert" not in answer.data


def test_every_answer_carries_the_headers_that_keep_foreign_code_out(web) -> None:
    for path in ("/login", "/nothing", "/api/openapi.json", "/api/v1/cases"):
        headers = web.app.test_client().get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'self'" in headers["Content-Security-Policy"]


def test_a_body_larger_than_this_installation_takes_is_413(web, people) -> None:
    answer = web.ask(people.patient(), "POST", "/api/v1/cases", json={"history": "x" * (1 << 20)})
    assert (answer.status_code, answer.content_type) == (413, PROBLEM)


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/dicom-web/studies", {"GET", "HEAD", "OPTIONS", "POST"}), ("/dicom-web/series", {"GET", "HEAD", "OPTIONS"})],
)
def test_a_method_that_an_address_does_not_take_is_answered_with_those_that_it_does(web, people, path, methods) -> None:
    answer = web.ask(people.coordinator(), "DELETE", path)
    assert (answer.status_code, set(answer.allow)) == (405, methods)
