"""TLS as the settings have it ([dicom.tls]); a mistake is one sentence at start."""

from __future__ import annotations

from pathlib import Path
from ssl import SSLContext

from config.settings import ConfigurationError, Tls
from scp.tls import BadCertificate, TlsFiles, caller_context, listener_context


def for_listener(tls: Tls) -> SSLContext | None:
    """For those who call us; None when no TLS port is set. Raises ConfigurationError."""
    return _context(tls, listening=True) if tls.port else None


def for_calls(tls: Tls) -> SSLContext | None:
    """For our own calls; None without a certificate. Raises ConfigurationError."""
    return _context(tls, listening=False) if tls.certificate else None


def _context(tls: Tls, *, listening: bool) -> SSLContext:
    missing = [name for name in ("certificate", "key", "ca") if not getattr(tls, name)]
    if missing:
        raise ConfigurationError(f"TLS needs dicom.tls.{missing[0]}: the path of a file in PEM.")
    files = TlsFiles(Path(tls.certificate), Path(tls.key), Path(tls.ca), Path(tls.crl) if tls.crl else None)
    try:
        return listener_context(files) if listening else caller_context(files)
    except BadCertificate as error:
        raise ConfigurationError(str(error)) from error
