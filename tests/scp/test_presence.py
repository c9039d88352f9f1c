"""What is being sent just now, as the receivers tell it."""

import json
import time

from scp.presence import MOST_STUDIES, STALE_SECONDS, Presence, being_sent


def test_an_open_association_shows_its_studies_until_it_is_closed(tmp_path):
    here, there = Presence(tmp_path, "receiver-1"), Presence(tmp_path, "receiver-2")
    here.stored("a", "site:1", "1.2.3")
    there.stored("b", "site:2", "1.2.3")
    here.save(), there.save()
    assert being_sent(tmp_path) == {("site:1", "1.2.3"), ("site:2", "1.2.3")}
    here.closed("a")
    here.save()
    assert being_sent(tmp_path) == {("site:2", "1.2.3")}


def test_an_association_that_stays_open_for_many_studies_is_sending_the_last_ones(tmp_path):
    presence = Presence(tmp_path, "receiver-1")
    for number in range(MOST_STUDIES + 5):
        presence.stored("a", "site:1", f"1.2.{number}")
    presence.save()
    assert being_sent(tmp_path) == {("site:1", f"1.2.{number}") for number in range(5, MOST_STUDIES + 5)}


def test_what_a_dead_process_said_counts_for_nothing(tmp_path):
    told = {"at": time.time() - STALE_SECONDS - 1, "open": [["site:1", "1.2.3"]]}
    (tmp_path / "receiver-1.open").write_text(json.dumps(told))
    (tmp_path / "receiver-2.open").write_text("{")
    assert being_sent(tmp_path) == set()
    assert being_sent(tmp_path / "nowhere") == set()
