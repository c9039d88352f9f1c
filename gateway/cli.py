"""The `overread` command. What goes wrong is said in one sentence; the exit code is then not 0."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from config.errors import Explained
from config.settings import Settings, load_settings
from gateway import administration, key_commands, peer_commands, site_commands

app = typer.Typer(
    name="overread",
    help="The imaging gateway for radiology second opinions.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(administration.person, name="person")
site_commands.site.add_typer(peer_commands.peer, name="peer")
app.add_typer(site_commands.site, name="site")
app.add_typer(key_commands.keys, name="keys")

Data = Annotated[Path, typer.Option("--data", metavar="DIR", help="Folder of the installation.")]


class Part(StrEnum):
    """What `overread serve` can run."""

    DICOM = "dicom"
    WEB = "web"
    WORKER = "worker"


@app.command()
def up(
    data: Data,
    http: Annotated[int | None, typer.Option(help="Port of the web pages, API and DICOMweb.")] = None,
    dicom: Annotated[int | None, typer.Option(help="Port of the DICOM receiver.")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Add demo people, a demo hospital and demo studies.")] = False,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="Settings of your own (TOML).")] = None,
) -> None:
    """Start everything on this machine and keep it running until Ctrl-C."""
    from gateway import up as starting

    given: dict[str, object] = {"http": {"port": http}} if http else {}
    given |= {"dicom": {"port": dicom}} if dicom else {}
    given |= {"demo": True} if demo else {}
    starting.run(starting.Start(data, config, given))


@app.command()
def serve(
    part: Annotated[Part, typer.Argument(help="Which part.")],
    data: Data,
    name: Annotated[str, typer.Option("--part", metavar="NAME", help="Its name in logs and counters.")] = "",
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="Settings, where `up` never ran.")] = None,
) -> None:
    """Run one part of an installation in the foreground, as `up` does for all.

    Also on a machine where `up` never ran, if --config FILE or OVERREAD_... in the environment names archive.url and
    database.url. `serve dicom` needs a `serve worker` on its own machine: the worker tells it who may send, and
    carries what it received from its disk into the archive.
    """
    from gateway.installation import is_remembered, join_installation, open_installation
    from gateway.logs import write_structured_logs

    write_structured_logs()
    joins = config is not None or not is_remembered(data)
    settings = join_installation(data, config) if joins else open_installation(data)
    if part is Part.DICOM:
        from gateway.receiver import serve_dicom

        serve_dicom(settings, name or "receiver-1")
    elif part is Part.WORKER:
        from gateway.worker import serve_worker

        serve_worker(settings, name or "worker", migrating=joins)
    else:
        from gateway.web import serve_web

        serve_web(settings)


@app.command()
def doctor(
    data: Data,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="Settings, where `up` never ran.")] = None,
) -> None:
    """Check the installation, with a real C-ECHO and a real C-STORE, and say what to do about each finding."""
    from gateway.doctor import examine, show

    raise typer.Exit(show(examine(data, config)))


@app.command()
def token(email: Annotated[str, typer.Argument(help="E-mail address of the person.")], data: Data) -> None:
    """Print a bearer token that acts as this person in API and DICOMweb, for 90 days."""
    from gateway.accounts.people import person_by_email
    from gateway.accounts.tokens import Purpose, issue

    with administration.transaction(data) as session:
        made = issue(session, person_by_email(session, email).id, Purpose("overread token"))
    typer.echo(made)


@app.command()
def route(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE-OR-FOLDER...", help="DICOM files or folders.")],
    rules: Annotated[Path | None, typer.Option(metavar="FILE", help="Rules to try (default: those in force).")] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="Installation whose rules to use.")] = None,
    site: Annotated[str, typer.Option(help="Code of the site that would send it.")] = "",
    history: Annotated[str, typer.Option(help="History that a requester would write.")] = "",
) -> None:
    """Explain where a study would go, and why. Nothing is sent."""
    from gateway.routing_trial import explain_paths

    if rules is None:
        from gateway.installation import open_installation

        rules = (open_installation(data) if data else load_settings(Path())).routing_file
    explain_paths(paths, rules, site, history)


@app.command(hidden=True, name="send-demo")
def send_demo(data: Data, name: Annotated[str, typer.Option("--part", hidden=True)] = "demo") -> None:
    """Send the synthetic studies of the demonstration through the front door."""
    from gateway.demo import send_demo_studies

    del name
    send_demo_studies(_settings_of(data))


def _settings_of(data: Path) -> Settings:
    from gateway.installation import open_installation
    from gateway.logs import write_structured_logs

    write_structured_logs()
    return open_installation(data)


def main() -> None:
    """Run the command; an expected error becomes one sentence and exit code 1."""
    try:
        app(standalone_mode=True)
    except Explained as error:
        sys.stderr.write(f"overread: {error}\n")
        sys.exit(1)
