"""An estate file is read strictly, and every mistake is named by line and field."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from panel.services.estate import EstateError, load

PAYMENT = "users:\n- name: Ann\n  payments:\n  - plan: Basic\n    start: {start}\n    end: {end}\n"


def mistakes(text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(EstateError) as error:
        load(text, environ or {})
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "line 1: the file is empty."),
        ("- a\n- b\n", "line 1: an estate file is a mapping with the keys plex_accounts, servers"),
        ("users:\n- name: Ann\n  pays: []\n", "line 3, users[0].pays: is not a known key (perhaps payments was meant)"),
        ("servrs: []\n", "line 1, servrs: is not a known key (perhaps servers was meant)"),
        ("settings:\n  smtp:\n    hots: a\n", "line 3, settings.smtp.hots: is not a known key (perhaps host was meant)"),
        ("\nusers:\n- email: a@example.test\n", "line 3, users[0].name: is missing."),
        ("users: Ann\n", "line 1, users: must be a list."),
        ("users:\n- Ann\n", "line 2, users[0]: must be a mapping of keys to values."),
        ("users:\n- name: [Ann]\n", "line 2, users[0].name: must be a text."),
        ("users:\n- name: No\n", "line 2, users[0].name: must be a text: put it in quotes if this is one."),
        ("users:\n- name: ''\n", "line 2, users[0].name: must not be empty."),
        ('users:\n- name: "a\\nb"\n', "line 2, users[0].name: must not hold control characters or line breaks."),
        (f"users:\n- name: {'n' * 256}\n", "line 2, users[0].name: may have 255 characters at most, and has 256."),
        ("users:\n- name: Ann\n  email: ann at home\n", "line 3, users[0].email: must be an e-mail address."),
        ("users:\n- name: Ann\n  plex_email: ann\n", "line 3, users[0].plex_email: must be an e-mail address."),
        ("users:\n- name: Ann\n  permanent: 'yes'\n", "line 3, users[0].permanent: must be true or false."),
        ("users:\n- name: Ann\n  permanent: 1\n", "line 3, users[0].permanent: must be true or false."),
        ("plans:\n- name: A\n  duration_days: '30'\n", "line 3, plans[0].duration_days: must be a whole number."),
        ("plans:\n- name: A\n  duration_days: 30.5\n", "line 3, plans[0].duration_days: must be a whole number."),
        ("plans:\n- name: A\n  duration_days: 0\n", "line 3, plans[0].duration_days: must be at least 1."),
        ("settings:\n  pace_s: -1\n", "line 2, settings.pace_s: must be at least 0"),
        ("settings:\n  pace_s: .inf\n", "line 2, settings.pace_s: must be a"),
        ("settings:\n  smtp:\n    port: 70000\n", "line 3, settings.smtp.port: must be at most 65535."),
        ("settings:\n  smtp:\n    security: ssl\n", "line 3, settings.smtp.security: must be one of none, starttls or tls."),
        ("settings:\n  admin_email: nobody\n", "line 2, settings.admin_email: must be an e-mail address."),
        ("servers:\n- name: A\n  platform: kodi\n  url: http://a\n", "line 3, servers[0].platform: must be one of plex, emby or jellyfin."),
        ("servers:\n- name: A\n  platform: emby\n", "line 2, servers[0].url: is missing."),
    ],
)
def test_names_line_and_field_of_what_is_wrong(text: str, expected: str) -> None:
    assert expected in mistakes(text)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ftp://a", "must be a URL that begins with http:// or https://"),
        ("a.example.test:8096", "must be a URL that begins with http:// or https://"),
        ("http://", "must be a URL that begins with http:// or https://"),
        ("http://a:99999", "is no valid URL"),
        ("http://user:pass@a", "must not hold a user name or password"),
        ("http://a/?token=x", "must end before any ? or #"),
    ],
)
def test_refuses_urls_that_are_none_or_carry_secrets(url: str, expected: str) -> None:
    said = mistakes(f"servers:\n- name: A\n  platform: emby\n  token: t\n  url: {url}\n")
    assert said == f"line 5, servers[0].url: {expected}."


@pytest.mark.parametrize("start", ["2026-13-01", "'2026-02-30'", "2026-1-5", "01.02.2026", "soon", "20260101", "true", "2026-01-01 25:00"])
def test_refuses_dates_that_are_none(start: str) -> None:
    assert "line 5, users[0].payments[0].start: " in mistakes(PAYMENT.format(start=start, end="2026-12-31"))


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-01-01", "2026-01-31", (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 31, 23, 59, 59, 999999, UTC))),
        ("'2026-01-01'", "'2026-01-01'", (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 23, 59, 59, 999999, UTC))),
        ("2026-01-01T10:00:00+02:00", "2026-01-31 18:30", (datetime(2026, 1, 1, 8, tzinfo=UTC), datetime(2026, 1, 31, 18, 30, tzinfo=UTC))),
    ],
)
def test_takes_days_and_times_quoted_or_not(start: str, end: str, expected: tuple[datetime, datetime]) -> None:
    payment = load(PAYMENT.format(start=start, end=end), {}).file.users[0].payments[0]
    assert (payment.start, payment.end) == expected


def test_refuses_an_end_before_the_start() -> None:
    assert mistakes(PAYMENT.format(start="2026-02-01", end="2026-01-31")) == "line 6, users[0].payments[0].end: lies before the start."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("users:\n- name: A\n  name: B\n", "line 3, users[0].name: this key is given twice."),
        (
            "plans:\n- {name: A, default: true}\n- {name: B, default: true}\n",
            "line 3, plans[1].default: plans[0] is the default plan already, and there is one only.",
        ),
        ("plans:\n- {name: A}\n- {name: a}\n", "line 3, plans[1].name: is the same as in plans[0]."),
        ("library_groups: [Kids, Kids]\n", "line 1, library_groups[1]: is the same as in library_groups[0]."),
        ("plex_accounts:\n- {email: a@b.test, token: x}\n- {email: A@b.test, token: y}\n", "line 3, plex_accounts[1].email: is the same"),
        (
            "servers:\n- {name: A, platform: emby, url: 'http://a', token: t}\n- {name: A, platform: emby, url: 'http://b', token: t}\n",
            "line 3, servers[1].name: is the same as in servers[0].",
        ),
        ("libraries:\n- {server: A, name: M}\n- {server: A, name: M}\n", "line 3, libraries[1].name: is the same as in libraries[0]."),
        (
            "users:\n- {name: A, email: x@y.test}\n- {name: B, plex_email: X@y.test}\n",
            "line 3, users[1].plex_email: users[0] has the same e-mail address.",
        ),
        ("users:\n- {name: A}\n- {name: a}\n", "line 3, users[1].name: users[0] has the same name, and neither has an e-mail address."),
        (
            "users:\n- name: A\n  payments:\n  - {plan: P, start: 2026-01-01, end: 2026-01-31}\n"
            "  - {plan: P, start: 2026-01-01, end: 2026-02-28}\n",
            "line 5, users[0].payments[1].start: is the same as in payments[0], on the same plan.",
        ),
    ],
)
def test_refuses_what_is_there_twice(text: str, expected: str) -> None:
    assert expected in mistakes(text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("users: [", 1),
        ("users:\n- name: A\n   email: b\n", 3),
        ("a: &x 1\n", 1),
        ("users:\n- name: *x\n", 2),
        ("users: !!python/object:os.system []\n", 1),
        ("users: []\n---\nusers: []\n", 2),
        ("users:\n- name: A\x07\n", 2),
        ("plans: [{name: A, duration_days: " + "9" * 5000 + "}]\n", 1),
        ("[" * 100_000, 1),
        ("users: " + "[" * 3000 + "]" * 3000, 1),
    ],
)
def test_refuses_text_that_cannot_be_read(text: str, line: int) -> None:
    assert mistakes(text).startswith(f"line {line}")


def test_names_all_mistakes_and_shows_the_first_ten() -> None:
    with pytest.raises(EstateError) as error:
        load("users:\n" + "- nome: A\n" * 7, {})
    lines = str(error.value).splitlines()
    assert len(error.value.mistakes) == 14
    assert len(lines) == 11
    assert lines[-1] == "… and 4 more."


def test_takes_secrets_from_the_environment() -> None:
    text = "plex_accounts:\n- {email: a@b.test, token: {env: PLEX}}\nsettings: {smtp: {password: {env: MAIL}}}\n"
    file = load(text, {"PLEX": "from-env\n", "MAIL": "pass"}).file
    assert file.plex_accounts[0].token is not None
    assert file.plex_accounts[0].token.get_secret_value() == "from-env"
    assert "from-env" not in repr(file)


@pytest.mark.parametrize("environ", [{}, {"PLEX": ""}])
def test_refuses_a_secret_whose_variable_is_not_set(environ: dict[str, str]) -> None:
    said = mistakes("plex_accounts:\n- email: a@b.test\n  token: {env: PLEX}\n", environ)
    assert said == "line 3, plex_accounts[0].token: takes the environment variable PLEX, which is not set."


@pytest.mark.parametrize("token", ["{file: x}", "{env: A, other: b}", "{env: 1}", "[a]", "true"])
def test_refuses_secrets_of_another_form(token: str) -> None:
    said = mistakes(f"plex_accounts:\n- email: a@b.test\n  token: {token}\n", {"A": "a"})
    assert "line 3, plex_accounts[0].token: must be a text" in said


def test_never_repeats_a_secret() -> None:
    said = mistakes('plex_accounts:\n- email: a@b.test\n  token: "hidden\\nvalue"\n  pass: hidden-too\n')
    assert "hidden" not in said


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("{name: A, platform: plex, url: 'http://a', token: t}", "servers[0].token: a Plex server takes its token from its plex_account"),
        ("{name: A, platform: emby, url: 'http://a', token: t, plex_account: a@b.test}", "servers[0].plex_account: a server of Emby has"),
    ],
)
def test_refuses_the_other_platforms_secret(server: str, expected: str) -> None:
    assert expected in mistakes(f"servers: [{server}]\n")


@pytest.mark.parametrize("name", ["007", "1917", "24", "1.50", "2026-01-01", "'No'", "Ünï 🎬 شبكة", "{{ 7*7 }}", "<b>x</b>"])
def test_takes_names_as_they_are_written(name: str) -> None:
    assert load(f"users:\n- name: '{name}'\n" if "{" in name else f"users:\n- name: {name}\n", {}).file.users[0].name == name.strip("'")


def test_reads_json_with_tabs_and_escapes_and_knows_its_lines() -> None:
    users = '\t"users": [\n\t\t{"name": "\\ud83d\\ude00 \\/ \\\\ud83d", "permanent": true},\n\t\t{"nam": 1e2}\n\t]'
    text = "{\n" + users + ',\n\t"settings": {"pace_s": 1e1}\n}'
    said = mistakes(text)
    assert "line 4, users[1].nam: is not a known key (perhaps name was meant)" in said
    file = load(text.replace('"nam": 1e2', '"name": "B"'), {}).file
    assert file.users[0].name == "😀 / \\ud83d"
    assert file.settings is not None
    assert file.settings.pace_s == 10.0


def test_reads_the_same_from_yaml_and_json() -> None:
    estate = {"users": [{"name": "Ann", "payments": [{"plan": "P", "start": "2026-01-01", "end": "2026-02-01"}]}]}
    as_yaml = "users:\n- name: Ann\n  payments:\n  - {plan: P, start: 2026-01-01, end: 2026-02-01}\n"
    assert load(json.dumps(estate), {}).file == load("\ufeff" + as_yaml, {}).file


def test_refuses_half_a_character_pair_in_json() -> None:
    assert "users[0].name: must not hold control characters" in mistakes('{"users": [{"name": "a\\ud800b"}]}')


def test_takes_empty_sections() -> None:
    assert load("users:\nservers:\nplans: []\n", {}).file.users == []
