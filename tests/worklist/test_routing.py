"""The first rule that fits decides, and the case can say why; a mistake in the file is refused with its line."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from worklist.routing import Routing, RuleFileError, StudyFacts, load_rules
from worklist.routing_docs import page
from worklist.routing_lines import find_lines

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "config" / "routing.toml"
GOOD = """\
[words]
head = ["head", "schädel*"]

[[rule]]
name = "Head"
subspecialty = "neuroradiology"
turnaround_hours = 48
match = { modality = ["CT", "MR"], region = ["@head"] }

[[rule]]
name = "Knee"
subspecialty = "musculoskeletal"
turnaround_hours = 72
[rule.match]
region = [
    "knee",   # a comment with [[rule]] in it
    "knie*",
]

[[urgency]]
name = "Bleeding"
priority = "stat"
turnaround_hours = 4
match.history = ["bleeding"]

[fallback]
name = "Nobody knows"
turnaround_hours = 24
"""


def _load(folder: Path, text: str) -> Routing:
    path = folder / "rules.toml"
    path.write_text(text, encoding="utf-8")
    return load_rules(path)


# --- which rule decides -------------------------------------------------------------------------------------------


def test_the_first_rule_that_fits_decides(tmp_path: Path) -> None:
    facts = StudyFacts(modalities=("CT",), study_description="CT HEAD and KNEE")
    assert _load(tmp_path, GOOD).route(facts).rule == "Head"
    first, second = GOOD.index("[[rule]]"), GOOD.index('[[rule]]\nname = "Knee"')
    end = GOOD.index("[[urgency]]")
    swapped = GOOD[:first] + GOOD[second:end] + GOOD[first:second] + GOOD[end:]
    assert _load(tmp_path, swapped).route(facts).rule == "Knee"


def test_routing_twice_says_the_same() -> None:
    facts = StudyFacts(("CT",), ("CHEST", "ABDOMEN"), "CT Thorax/Abdomen", history="Staging, dringend")
    assert load_rules(SHIPPED).explain(facts) == load_rules(SHIPPED).explain(facts)


def test_every_condition_of_a_rule_must_be_met(tmp_path: Path) -> None:
    routing = _load(tmp_path, GOOD)
    assert routing.route(StudyFacts(modalities=("US",), study_description="head")).rule == "Nobody knows"
    assert routing.route(StudyFacts(modalities=("CT",), study_description="headache")).rule == "Nobody knows"


def test_what_was_ordered_counts_before_what_the_scanner_was_set_to(tmp_path: Path) -> None:
    routing = _load(tmp_path, GOOD)
    assert routing.route(StudyFacts(("MR",), ("HEAD",), "MRT Knie")).rule == "Knee"
    assert routing.route(StudyFacts(("MR",), ("HEAD",), "Routine")).rule == "Head"
    assert routing.route(StudyFacts(("MR",), (), "Routine", ("t1 sag", "pd knie cor"))).rule == "Knee"
    assert routing.route(StudyFacts(("MR",), (), "", procedures=("RKNEE^MR Knee right^L",))).rule == "Knee"


@pytest.mark.parametrize("words", ["CT SCHÄDEL", "ct schaedel", "CT-Schädelbasis", "CT_SCHADEL", "CT Scha\u0308del"])
def test_accents_case_and_separators_do_not_matter(tmp_path: Path, words: str) -> None:
    assert _load(tmp_path, GOOD).route(StudyFacts(("CT",), (), words)).rule == "Head"


@pytest.mark.parametrize(
    ("match", "fits", "does_not"),
    [
        ('site = ["ST_*"]', StudyFacts(site="st_mary"), StudyFacts(site="BEST_1")),
        ('laterality = ["L"]', StudyFacts(laterality="L"), StudyFacts(laterality="R")),
        ('sex = ["F"]', StudyFacts(patient_sex="F"), StudyFacts(patient_sex="")),
        ("age_below = 16", StudyFacts(patient_age_years=15.99), StudyFacts(patient_age_years=16)),
        ("age_from = 16", StudyFacts(patient_age_years=16), StudyFacts(patient_age_years=None)),
        ('body_part = ["KNEE"]', StudyFacts(body_parts=("LEG", "KNEE")), StudyFacts(study_description="KNEE")),
        ('study_description = ["a b"]', StudyFacts(study_description="x A/B"), StudyFacts(study_description="b a")),
        ('series_description = ["tof"]', StudyFacts(series_descriptions=("3D TOF",)), StudyFacts()),
        ('procedure = ["CTHEAD"]', StudyFacts(procedures=("CTHEAD",)), StudyFacts(study_description="CTHEAD")),
        ('history = ["fell"]', StudyFacts(history="He fell."), StudyFacts(study_description="fell")),
        ('indication = ["fall"]', StudyFacts(study_description="fall"), StudyFacts(body_parts=("fall",))),
        ('every_region = ["neck", "arm"]', StudyFacts(study_description="arm, neck"), StudyFacts(body_parts=("ARM",))),
    ],
)
def test_each_field_looks_where_it_says(tmp_path: Path, match: str, fits: StudyFacts, does_not: StudyFacts) -> None:
    rule = f'[[rule]]\nname = "It"\nsubspecialty = "breast"\nturnaround_hours = 1\n[rule.match]\n{match}\n'
    routing = _load(tmp_path, rule + '[fallback]\nname = "Else"\nturnaround_hours = 1\n')
    assert (routing.route(fits).rule, routing.route(does_not).rule) == ("It", "Else")


def test_a_very_long_history_is_no_burden() -> None:
    for history in ("a" * 1_000_000 + " b" * 1_000_000, "no " * 1_000_000, "no urgent " * 1_000_000):
        routed = load_rules(SHIPPED).route(StudyFacts(("CT",), (), "CT HEAD", history=history))
        assert (routed.rule, routed.priority) == ("Head", "routine")


# --- why ----------------------------------------------------------------------------------------------------------


def test_a_case_says_which_facts_decided(tmp_path: Path) -> None:
    routed = _load(tmp_path, GOOD).route(
        StudyFacts(("CT",), ("HEAD",), "Routine", history="New bleeding? On warfarin.")
    )
    assert routed.why == "Rule “Head”: modality CT, body part HEAD. Urgency “Bleeding”: history says “bleeding”."
    assert (routed.subspecialty, routed.priority, routed.turnaround_hours) == ("neuroradiology", "stat", 4)
    assert "warfarin" not in routed.why


def test_what_nobody_knows_says_what_was_known(tmp_path: Path) -> None:
    routed = _load(tmp_path, GOOD).route(StudyFacts(("US",), (), "Something"))
    assert (routed.rule, routed.subspecialty) == ("Nobody knows", "unassigned")
    assert routed.why.startswith("Nobody knows")
    assert "US" in routed.why
    assert "Something" in routed.why


def test_an_explanation_tells_of_the_nearest_rules_and_what_was_missing() -> None:
    routed, nearest = load_rules(SHIPPED).explain(StudyFacts(("CT",), (), "CT CHEST", patient_age_years=60))
    assert routed.rule == "Chest"
    told = {miss.rule: miss.why_not for miss in nearest}
    assert "staging" in told["Staging of chest, abdomen or pelvis"]
    assert "modality CR or DX" in told["Chest radiograph"]
    assert "“CT”" in told["Chest radiograph"]


def test_an_explanation_names_a_rule_that_would_fit_but_comes_later() -> None:
    facts = StudyFacts(("PT", "CT"), (), "PET/CT FDG", patient_age_years=60)
    routed, nearest = load_rules(SHIPPED).explain(facts)
    assert nearest[0].rule == "PET and nuclear medicine, by the description"
    assert nearest[0].why_not == f"it fits too, but “{routed.rule}” comes first"


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("was", "becomes", "line", "reason"),
    [
        ("[[rule]]", "[[rule]", 4, "this is not TOML"),
        ("turnaround_hours = 48", "turnaround = 48", 7, "unknown field “turnaround”; did you mean “turnaround_hours”?"),
        ("turnaround_hours = 48\n", "", 4, "has no “turnaround_hours”"),
        ("turnaround_hours = 48", 'turnaround_hours = "48"', 7, "must be a number, not a text"),
        ("turnaround_hours = 48", "turnaround_hours = 0", 7, "more than 0 and at most 2160, not 0"),
        ("turnaround_hours = 48", "turnaround_hours = true", 7, "must be a number, not true or false"),
        ("turnaround_hours = 48", "turnaround_hours = inf", 7, "at most 2160"),
        ('"neuroradiology"', '"neuroradiologie"', 6, "did you mean “neuroradiology”?"),
        ('name = "Knee"', 'name = "Head"', 11, "there is already something named “Head”, in line 5"),
        ('name = "Knee"', 'name = ""', 11, "“name” must be some text"),
        ('name = "Nobody knows"', 'name = "knee"', 27, "there is already something named “knee”, in line 11"),
        ('"CT", "MR"', '"CT", "MRI"', 8, "unknown modality “MRI”; DICOM calls it “MR”"),
        ('"CT", "MR"', "", 8, "“modality” must be a list of at least one text"),
        ('["CT", "MR"]', '"CT"', 8, "“modality” must be a list of at least one text, not a text"),
        ("modality =", "modalty =", 8, "unknown field “modalty”; did you mean “modality”?"),
        ('"@head"', '"@haed"', 8, "there is no word list “haed”; did you mean “head”?"),
        ('    "knie*",', '    "knie*", "*",', 17, "“*” has no letter or digit"),
        ('    "knie*",', '    "knie*", 7,', 15, "“region” may hold texts only, not a number"),
        ('region = [\n    "knee",   # a comment with [[rule]] in it\n    "knie*",\n]\n', "", 14, "“match” is empty"),
        ('priority = "stat"', 'priority = "now"', 22, "unknown priority “now” (one of: routine, urgent, stat)"),
        ('[fallback]\nname = "Nobody knows"\nturnaround_hours = 24\n', "", 1, "the file has no “fallback”"),
        ("[[urgency]]", "[urgency]", 20, "write [[urgency]] with two brackets"),
        ("[[urgency]]", "[[urgent]]", 20, "unknown field “urgent”; did you mean “urgency”?"),
        ('["head", "schädel*"]', '"head"', 2, "“head” must be a list"),
        ('"knie*",\n]', '"knie*",\n]\nage_below = "16"', 19, "“age_below” must be a number"),
        (
            "[fallback]",
            "[denial]\nwords = []\nwithin = 6\n[fallback]",
            27,
            "“words” must be a list of at least one text",
        ),
        ("[fallback]", '[denial]\nwords = ["no"]\n[fallback]', 26, "has no “within”"),
        ("[fallback]", '[denial]\nwords = ["no"]\nwithin = 60\n[fallback]', 28, "at most 20, not 60"),
    ],
)
def test_a_mistake_is_refused_with_its_line(tmp_path: Path, was: str, becomes: str, line: int, reason: str) -> None:
    assert GOOD.count(was) >= 1
    with pytest.raises(RuleFileError) as refused:
        _load(tmp_path, GOOD.replace(was, becomes, 1))
    (mistake,) = refused.value.mistakes
    assert mistake.line == line
    assert reason in mistake.reason
    assert str(refused.value).startswith(f"{tmp_path / 'rules.toml'}, line {line}: ")


def test_a_rule_behind_one_that_takes_everything_of_it_is_refused(tmp_path: Path) -> None:
    late = '[[rule]]\nname = "CT of the head"\nsubspecialty = "cardiac"\nturnaround_hours = 1\n'
    late += 'match = { modality = ["CT"], region = ["Schaedel*", "head"], age_from = 18 }\n'
    with pytest.raises(RuleFileError, match="“CT of the head” can never decide: “Head”") as refused:
        _load(tmp_path, GOOD.replace("[[urgency]]", late.replace("Schaedel", "schädel") + "\n[[urgency]]"))
    assert refused.value.mistakes[0].line == 20


def test_a_rule_behind_one_with_an_exception_is_not_refused(tmp_path: Path) -> None:
    text = GOOD.replace('region = ["@head"] }', 'region = ["@head"] }\nunless = { age_below = 3 }')
    late = '[[rule]]\nname = "Small heads"\nsubspecialty = "paediatric"\nturnaround_hours = 1\n'
    late += 'match = { modality = ["CT"], region = ["head"] }\n'
    routing = _load(tmp_path, text.replace("[[urgency]]", late + "[[urgency]]"))
    assert routing.route(StudyFacts(("CT",), (), "HEAD", patient_age_years=2)).rule == "Small heads"


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = GOOD.replace('"stat"', '"now"').replace('"CT"', '"XR"').replace("= 72", "= -1")
    with pytest.raises(RuleFileError) as refused:
        _load(tmp_path, text)
    assert [each.line for each in refused.value.mistakes] == [8, 13, 22]


def test_without_a_denial_in_the_file_no_is_a_word_like_any_other(tmp_path: Path) -> None:
    without = SHIPPED.read_text(encoding="utf-8").partition("\n[denial]\n")[0]
    assert _load(tmp_path, without).route(StudyFacts(history="no cord compression")).priority == "stat"


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuleFileError, match="cannot be read: No such file"):
        load_rules(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'# ok\nname = "Sch\xe4del"\n')
    with pytest.raises(RuleFileError, match="line 2: it is not written in UTF-8"):
        load_rules(tmp_path / "latin.toml")


def test_an_unfinished_file_is_refused_at_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(RuleFileError, match="line 2: this is not TOML"):
        _load(tmp_path, '[words]\nhead = ["head",')


def test_lines_are_found_behind_strings_comments_and_dotted_keys() -> None:
    text = dedent('''\
        title = """
        [[rule]]
        # not a header
        """
        [[ rule ]]  # first
        name = 'a # b'
        match.region = ["x",
          "y"]
        [[rule]]
        "match" = { region = ["z"] }
        [rule.unless]
        region = [
          "é", # "no"
          "z",
        ]
        ''')
    lines = find_lines(text)
    assert lines.of(("rule", 0)) == 5
    assert lines.of(("rule", 0, "name")) == 6
    assert lines.of(("rule", 0, "match", "region"), "y") == 8
    assert lines.of(("rule", 1, "match", "region")) == 10
    assert lines.of(("rule", 1, "unless", "region"), "z") == 14
    assert lines.of(("rule", 1, "unless", "region"), "no") == 12


# --- the documentation ----------------------------------------------------------------------------------------------


def test_the_documentation_is_that_of_the_shipped_rules() -> None:
    written = (ROOT / "docs" / "reference" / "routing.md").read_text(encoding="utf-8")
    assert written == page(written, load_rules(SHIPPED).rules), "run: python -m worklist.routing_docs"
