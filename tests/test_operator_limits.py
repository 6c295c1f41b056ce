"""The operator's limits: flags, variables, defaults, refusals, and that the documentation lists all of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import app
from bksdm_demo.errors import DemoError, RequestError
from bksdm_demo.operator_limits import LIMITS, UNLIMITED, OperatorLimits, accounts, from_variables, shown
from bksdm_demo.records import Request
from bksdm_demo.runs.allowance import Allowance
from bksdm_demo.settings import from_environment

DOCUMENT = Path(app.__file__).parent / "docs" / "limits.md"
SPACE = {"SPACE_ID": "someone/space"}


def documented() -> dict[str, list[str]]:
    """The cells of the document's table, by flag."""
    rows = [line.strip("| ").split(" | ") for line in DOCUMENT.read_text(encoding="utf-8").splitlines()]
    return {row[0].strip("`"): row[1:] for row in rows if row[0].startswith("`--")}


def test_the_document_lists_every_limit_with_its_defaults() -> None:
    table = documented()
    for limit in LIMITS:
        variable, own, public, meaning = table.pop(limit.flag)
        assert (variable, own, public) == (f"`{limit.variable}`", shown(limit.own), shown(limit.public))
        assert meaning == limit.meaning
    assert set(table) == {
        "--queue-size",
        "--previews",
        "--api",
        "--mcp",
        "--votes",
        "--vote-pool",
        "--vote-sign-in",
        "--auth",
    }


def test_what_else_the_document_lists_is_a_flag_with_these_defaults() -> None:
    flags = {option for action in app._parser()._actions for option in action.option_strings}
    assert set(documented()) <= flags
    own, public = from_environment({}), from_environment(SPACE)
    for flag, of in (
        ("--previews", lambda s: s.previews_allowed),
        ("--api", lambda s: s.api),
        ("--votes", lambda s: s.votes_allowed),
        ("--vote-sign-in", lambda s: s.vote_sign_in),
    ):
        assert documented()[flag][1:3] == ["yes" if of(page) else "no" for page in (own, public)]
    assert documented()["--vote-pool"][1:3] == [own.votes_on, public.votes_on]
    assert documented()["--queue-size"][1:3] == [str(own.queue_size), str(public.queue_size)]


def test_a_page_for_oneself_allows_what_every_request_may_be() -> None:
    assert from_environment({}).allowance == Allowance()
    assert UNLIMITED.allowance(public=True) == Allowance()


@pytest.mark.parametrize("environ", [SPACE, {"GRADIO_SHARE": "1"}])
def test_a_public_page_has_limits_that_its_largest_comparison_fits(environ: dict[str, str]) -> None:
    allowance = from_environment(environ).allowance
    assert allowance.visitor is not None
    assert allowance.steps[1] * allowance.pictures <= allowance.visitor
    with pytest.raises(RequestError, match="17 pictures; this page allows 16"):
        allowance.check(Request("red apple"), 17)


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
def test_every_limit_has_a_flag_and_a_variable(limit, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    text = "7/hour" if limit.name.endswith("_rate") else "7"
    value = text if limit.name.endswith("_rate") else 7
    assert from_environment({limit.variable: text}).limits.values(public=True)[limit.name] == value
    monkeypatch.setenv(limit.variable, "9/hour" if limit.name.endswith("_rate") else "9")
    assert app.read_settings([limit.flag, text]).limits.values(public=False)[limit.name] == value
    assert app.read_settings([]).limits.values(public=False)[limit.name] != value


def test_none_switches_a_limit_off() -> None:
    off = {limit.variable: "none" for limit in LIMITS if limit.own in (None, "")}
    allowance = from_environment(SPACE | off).allowance
    assert (allowance.seconds, allowance.visitor, allowance.address, allowance.queue) == (None,) * 4
    assert (allowance.visitor_rate, allowance.address_rate) == ("", "")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("BKSDM_MAX_STEPS", "151"), ("BKSDM_MAX_STEPS", "many"), ("BKSDM_MIN_STEPS", "0"),
        ("BKSDM_MAX_PICTURES", "none"), ("BKSDM_VISITOR_BUDGET", "0"), ("BKSDM_VISITOR_RATE", "often"),
        ("BKSDM_MAX_BODY", "-1"),
    ],
)  # fmt: skip
def test_a_wrong_value_names_the_variable_and_the_value(name: str, text: str) -> None:
    with pytest.raises(DemoError, match=f"{name} is '{text}'; it must be a"):
        from_variables({name: text})


def test_a_wrong_flag_names_itself() -> None:
    with pytest.raises(DemoError, match="--max-pictures is '65'"):
        OperatorLimits().override({"max_pictures": "65", "max_steps": None})


def test_the_fewest_steps_are_not_more_than_the_most() -> None:
    with pytest.raises(DemoError, match="min_steps is 60 and max_steps is 50"):
        from_environment(SPACE | {"BKSDM_MIN_STEPS": "60"})


def test_accounts_come_from_the_text_or_from_a_file(tmp_path: Path) -> None:
    assert accounts("anna:pass:word") == [("anna", "pass:word")]
    users = tmp_path / "users"
    users.write_text("# who may come\nanna:one\n\n ben:two\n")
    assert accounts(str(users)) == [("anna", "one"), ("ben", "two")]


@pytest.mark.parametrize("text", ["", "anna", "anna:", ":secret"])
def test_accounts_that_cannot_be_read_are_refused_without_repeating_them(text: str, tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text(text)
    with pytest.raises(DemoError, match="USER:PASSWORD") as caught:
        accounts(str(users))
    assert "secret" not in str(caught.value)


def test_no_setting_shows_the_password() -> None:
    assert re.search("secret", repr(from_environment({"BKSDM_AUTH": "anna:secret"}))) is None
