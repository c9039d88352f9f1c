"""A browser is called as its owner calls it, whatever else it calls itself."""

from __future__ import annotations

import pytest

from gateway.portal.browsers import UNKNOWN, browser_in_words

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile Safari/604.1", "Safari on iPhone"),
        (CHROME, "Chrome on Linux"),
        (CHROME + " Edg/126.0", "Edge on Linux"),
        ("Mozilla/5.0 (Linux; Android 14)", "A browser on Android"),
        ("curl/8.5", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_it_is_named_by_what_only_it_says(user_agent: str, words: str) -> None:
    assert browser_in_words(user_agent) == words
