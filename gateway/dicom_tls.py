"""TLS as the settings have it ([dicom.tls]); a mistake is one sentence at start."""

from __future__ import annotations

from pathlib import Path
from ssl import SSLContext, create_default_context

from config.settings import ConfigurationError, Tls
from scp.tls import BadCertificate, TlsFiles, caller_context, listener_context, web_context


def for_listener(tls: Tls) -> SSLContext | None:
    """For those who call us; None when no TLS port is set. Raises ConfigurationError."""
    return _context(tls, listening=True) if tls.port else None


def for_calls(tls: Tls) -> SSLContext | None:
    """For our own calls; None without a certificate. Raises ConfigurationError."""
    return _context(tls, listening=False) if tls.certificate else None


def for_web(tls: Tls) -> SSLContext:
    """For our own calls by https: the system's authorities, and ours, with our certificate, where we have one.

    Raises ConfigurationError.
    """
    if not tls.certificate:
        return create_default_context()
    try:
        return web_context(_files(tls))
    except BadCertificate as error:
        raise ConfigurationError(str(error)) from error


def _files(tls: Tls) -> TlsFiles:
    missing = [name for name in ("certificate", "key", "ca") if not getattr(tls, name)]
    if missing:
        raise ConfigurationError(f"TLS needs dicom.tls.{missing[0]}: the path of a file in PEM.")
    return TlsFiles(Path(tls.certificate), Path(tls.key), Path(tls.ca), Path(tls.crl) if tls.crl else None)


def _context(tls: Tls, *, listening: bool) -> SSLContext:
    files = _files(tls)
    try:
        return listener_context(files) if listening else caller_context(files)
    except BadCertificate as error:
        raise ConfigurationError(str(error)) from error
