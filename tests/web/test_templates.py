"""The texts of notifications: the form, trying them, the preview, going back."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import AuditEntry, EmailTemplate
from panel.services import notice_texts, notices
from panel.services.notice_samples import SAMPLES, VARIABLES
from tests.web.asking import by_htmx

ADDRESS = "/settings/notifications/system_message"


def typed(**change: str) -> dict[str, str]:
    """The shipped texts, switched on, but for what changes."""
    texts = {column: notice_texts.shipped(notices.SYSTEM_MESSAGE, column) for column in notice_texts.COLUMNS}
    return {"enabled": "y", **texts, **change}


@pytest.mark.parametrize("event", list(notices.EVENTS))
def test_ships_texts_that_work_in_every_situation(app: object, event: str) -> None:
    for column in notice_texts.COLUMNS:
        assert notice_texts.problem_of(event, column, notice_texts.shipped(event, column)) is None
        assert notice_texts.sample_of(event, column, "")


@pytest.mark.parametrize("event", list(notices.EVENTS))
def test_explains_only_variables_that_there_are(app: object, event: str) -> None:
    every_one = " ".join("{{ " + name + " }}" for name in VARIABLES[event])
    for values in SAMPLES[event]:
        assert notices.check(event, "body.txt", every_one, values) is None


def test_lists_both_with_their_switches(ada: FlaskClient) -> None:
    db.session.add(EmailTemplate(event=notices.ACCOUNT_MOVED, enabled=False))
    db.session.commit()
    text = ada.get("/settings/notifications").text
    assert "System Message" in text and "Account Moved" in text
    assert ">On</span>" in text and ">Off</span>" in text


def test_stores_an_own_text_and_what_ships_stays_what_ships(ada: FlaskClient) -> None:
    answer = ada.post(ADDRESS, data=typed(subject="Done: {{ source }}"), follow_redirects=True)
    assert "System Message is saved." in answer.text and "Reset to the text that ships" in answer.text
    row = db.session.get_one(EmailTemplate, notices.SYSTEM_MESSAGE)
    assert (row.subject, row.text, row.html, row.enabled) == ("Done: {{ source }}", "", "", True)
    assert notices.render(notices.SYSTEM_MESSAGE, SAMPLES[notices.SYSTEM_MESSAGE][0]).subject == "Done: Oak"
    entry = db.session.scalars(db.select(AuditEntry)).one()
    assert (entry.action, entry.detail) == ("template.edited", "Changed: subject.")


def test_takes_line_breaks_of_browsers_for_the_same_text(ada: FlaskClient) -> None:
    ada.post(ADDRESS, data={name: value.replace("\n", "\r\n") for name, value in typed().items()})
    assert db.session.get_one(EmailTemplate, notices.SYSTEM_MESSAGE).text == ""


def test_switches_a_notification_off(ada: FlaskClient) -> None:
    fields = typed()
    del fields["enabled"]
    ada.post(ADDRESS, data=fields)
    assert not notices.is_enabled(notices.SYSTEM_MESSAGE)
    assert "Switched off." in db.session.scalars(db.select(AuditEntry.detail)).one()


@pytest.mark.parametrize(
    ("part", "source", "sentence"),
    [
        ("subject", "{{ sauce }}", "Line 1: &#39;sauce&#39; is undefined."),
        ("text", "Hello\n\n{% if source %}", "Line 3: Unexpected end of template"),
        ("text", "Hello\n{{ 1 // 0 }}", "Line 2: "),
        ("text", "One\n{% if run.status == 'failed' %}\n{{ nothing }}\n{% endif %}", "Line 3: &#39;nothing&#39; is undefined."),
        ("html", "<p>{{ ''.__class__.__mro__ }}</p>", "Line 1: "),
        ("html", "<p>\n{{ source|nofilter }}</p>", "Line 2: No filter named"),
    ],
)
def test_says_in_which_line_a_text_is_wrong_and_stores_nothing(ada: FlaskClient, part: str, source: str, sentence: str) -> None:
    answer = ada.post(ADDRESS, data=typed(**{part: source}))
    assert answer.status_code == 422
    assert sentence in answer.text
    assert db.session.get(EmailTemplate, notices.SYSTEM_MESSAGE) is None


def test_previews_what_is_typed_and_stores_nothing(ada: FlaskClient) -> None:
    fields = typed(subject="Own {{ target }}", text="{% for name in invited %}<{{ name }}> {% endfor %}", html="{{ broken")
    answer = ada.post(f"{ADDRESS}/preview", data=fields, headers=by_htmx("preview"))
    assert answer.status_code == 200 and answer.text.lstrip().startswith('<section id="preview"')
    assert "Own Birch" in answer.text and "&lt;Alex Example&gt; &lt;Robin&gt;" in answer.text
    assert "HTML: Line 1:" in answer.text
    assert db.session.get(EmailTemplate, notices.SYSTEM_MESSAGE) is None
    page = ada.post(f"{ADDRESS}/preview", data=fields).text
    assert "<!doctype html>" in page and "Nothing is stored yet" in page
    assert 'value="Own {{ target }}"' in page and "{% for name in invited %}&lt;{{ name }}&gt;" in page and ">\r\n{{ broken" in page
    assert f'action="{ADDRESS}"' in page


def test_shows_the_html_in_a_frame_that_may_do_nothing(ada: FlaskClient) -> None:
    assert '<iframe class="mail-frame"' in ada.get(ADDRESS).text and " sandbox " in ada.get(ADDRESS).text
    answer = ada.post(f"{ADDRESS}/html", data=typed(html="<b>{{ stayed[1].name }}</b><script>alert(1)</script>"))
    assert "<b>&lt;Kim&gt;</b>" in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'") and "script-src" not in policy and "frame-ancestors 'self'" in policy
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "Nothing to show" in ada.post(f"{ADDRESS}/html", data=typed(html="{{ broken")).text
    assert "Migration result" in ada.get(f"{ADDRESS}/html").text


def test_goes_back_to_the_text_that_ships(ada: FlaskClient) -> None:
    ada.post(ADDRESS, data=typed(text="Mine"))
    assert "are removed" in ada.get(f"{ADDRESS}/reset").text
    ada.post(f"{ADDRESS}/reset")
    row = db.session.get_one(EmailTemplate, notices.SYSTEM_MESSAGE)
    assert (row.text, row.enabled) == ("", True)


def test_knows_only_notifications_that_there_are(ada: FlaskClient) -> None:
    assert ada.get("/settings/notifications/other").status_code == 404
    assert ada.post("/settings/notifications/other/reset").status_code == 404


def test_lets_a_viewer_look_only(vic: FlaskClient) -> None:
    assert "<fieldset disabled>" in vic.get(ADDRESS).text
    assert vic.post(ADDRESS, data=typed()).status_code == 403
