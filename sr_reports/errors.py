"""What can stand between an opinion and its report."""

from __future__ import annotations

from collections.abc import Mapping


class Unreportable(Exception):
    """This content cannot become a report until a person changes it. The message says what, in plain words."""


class InvalidOpinion(ValueError):
    """A body that is not an opinion. `fields` has one plain sentence for each field that is wrong."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.fields = dict(fields)
        super().__init__("; ".join(f"{name}: {message}" for name, message in self.fields.items()))
