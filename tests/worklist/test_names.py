"""Names are compared in the script that both have: two people without a Latin name are two people."""

from __future__ import annotations

import pytest

from worklist.names import same_name

TARO, ICHIRO = "山田^太郎", "鈴木^一郎"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("", ""),
        ("", "^^"),
        ("Meyer^Ute", "MEYER^UTE^^^"),
        ("Meyer^Ute", "Meyer ^ Ute"),
        ("Mu\u0308ller^A", "M\u00fcller^A"),
        (f"Yamada^Tarou={TARO}=やまだ^たろう", "Yamada^Tarou"),
        (f"Yamada^Tarou={TARO}", f"={TARO}"),
        (f"={TARO}=やまだ^たろう", f"={TARO}"),
        ("==やまだ^たろう", f"={TARO}=やまだ^たろう"),
        ("==ﾔﾏﾀﾞ^ﾀﾛｳ", "==ヤマダ^タロウ"),
        (f"={TARO}", "=山田\u3000^太郎"),
    ],
)
def test_what_systems_write_differently_is_one_name(one: str, other: str) -> None:
    assert same_name(one, other)
    assert same_name(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Meyer^Ute", ""),
        ("Meyer^Ute", "Meyer^Utta"),
        (f"={TARO}", f"={ICHIRO}"),
        ("==やまだ^たろう", "==すずき^いちろう"),
        (f"Yamada^Tarou={TARO}", f"Suzuki^Ichirou={TARO}"),
        (f"={TARO}", "Yamada^Tarou"),
        (f"={TARO}", ""),
    ],
)
def test_two_people_are_told_apart_in_every_script(one: str, other: str) -> None:
    """Names without a Latin form were all the same one: of two patients under one number nobody was told."""
    assert not same_name(one, other)
    assert not same_name(other, one)
