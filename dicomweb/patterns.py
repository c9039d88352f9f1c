"""Values with * and ? in them, in the notations of both databases (PS3.4 section C.2.2.2.4).

https://dicom.nema.org/medical/dicom/current/output/chtml/part04/sect_C.2.2.2.4.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import Boolean, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from dicomweb.attributes import Attribute
from dicomweb.forms import Clause, Column, Condition, Form
from dicomweb.problems import bad_request

MOST_STARS: Final = 8

Pattern = tuple[str, ...]
"""Either the one value that is meant, or both notations of those that are."""


class _Wildcards(FunctionElement[bool]):
    """`column` fits a pattern of * and ?, with the same meaning on both databases (LIKE knows no case of Umlauts)."""

    inherit_cache = True
    type = Boolean()

    def __init__(self, column: Column, glob: Column, expression: Column) -> None:
        super().__init__(column, glob, expression)


@compiles(_Wildcards, "sqlite")
def _as_glob(element: _Wildcards, compiler: SQLCompiler, **options: Any) -> str:
    column, glob, _ = element.clauses
    return f"({compiler.process(column, **options)} GLOB {compiler.process(glob, **options)})"


@compiles(_Wildcards, "postgresql")
def _as_expression(element: _Wildcards, compiler: SQLCompiler, **options: Any) -> str:
    column, _, expression = element.clauses
    return f"({compiler.process(column, **options)} ~ {compiler.process(expression, **options)})"


def of_patterns(clause: Callable[..., Clause], about: tuple[Any, ...], patterns: Sequence[Pattern]) -> Condition:
    """Make a condition of patterns: `clause` hears after `about` which of them are wild, as `fits_one` wants it."""
    wild = tuple(len(one) > 1 for one in patterns)
    return Condition(Form(clause, (*about, wild)), tuple(text for one in patterns for text in one))


def fits_one(column: Column, wild: tuple[bool, ...], values: Sequence[Column]) -> Clause:
    """The clause for a column that fits one of several patterns."""
    left = iter(values)
    return or_(*(_Wildcards(column, next(left), next(left)) if one else column == next(left) for one in wild))


def pattern(attribute: Attribute, value: str, *, any_case: bool) -> Pattern:
    """Read the value of a key. One with more stars than anybody needs is a 400."""
    value = re.sub(r"\*+", "*", value)
    if value.count("*") > MOST_STARS + 2:
        raise bad_request(f"The value of {attribute.keyword} has too many wildcards.")
    if not any_case and not re.search(r"[*?]", value):
        return (value,)
    return _glob(value, any_case), _expression(value, any_case)


def _glob(value: str, any_case: bool) -> str:
    plain = {"*": "*", "?": "?", "^": "^", "\\": "\\"}
    return "".join(plain.get(char) or _one_of(char, any_case) for char in value)


def _expression(value: str, any_case: bool) -> str:
    plain = {"*": ".*", "?": ".", "^": r"\^", "\\": r"\\"}
    return "^" + "".join(plain.get(char) or _one_of(char, any_case) for char in value) + "$"


def _one_of(char: str, any_case: bool) -> str:
    """A bracket with the cases of a character: the notation in which GLOB and POSIX mean the same."""
    cases = {char, char.lower(), char.upper()} if any_case else {char}
    return "[" + "".join(sorted(case for case in cases if len(case) == 1)) + "]"
