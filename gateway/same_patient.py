"""Whether two sayings of who somebody is can be of one person."""

from __future__ import annotations

from gateway.names import same_name
from scp.asked import Patient


def contradiction(asked: Patient, said: Patient) -> str:
    """In what `said` is another patient than the one asked for ("another name"); "" if in nothing.

    The Patient ID must be said. What else one of them leaves out contradicts nothing.
    """
    if said.patient_id != asked.patient_id:
        return "another Patient ID" if said.patient_id else "no Patient ID"
    for what, ours, theirs in (
        ("another issuer of the Patient ID", asked.issuer, said.issuer),
        ("another birth date", asked.birth_date, said.birth_date),
    ):
        if ours and theirs and ours != theirs:
            return what
    return "another name" if asked.name and said.name and not same_name(asked.name, said.name) else ""
