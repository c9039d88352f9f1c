"""Whether two sayings of who somebody is can be of one person."""

from __future__ import annotations

from scp.asked import Patient
from worklist.names import same_name


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


def agree(known: Patient, said: Patient) -> bool:
    """Whether two sayings of one study are of one person although one of them leaves something out.

    They contradict each other in nothing, and beside the Patient ID, which both say, name or birth date is the same.
    """
    if not known.patient_id or contradiction(known, said):
        return False
    return bool((known.name and said.name) or (known.birth_date and said.birth_date))


def together(known: Patient, said: Patient) -> Patient:
    """What is known, and where that says nothing what was said now."""
    return Patient(
        known.patient_id or said.patient_id,
        known.issuer or said.issuer,
        known.name or said.name,
        known.birth_date or said.birth_date,
    )
