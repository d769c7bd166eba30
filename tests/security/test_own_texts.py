"""The texts an admin writes for mails are templates: none gets out of its sandbox, and none keeps the panel busy."""

from __future__ import annotations

import time

import pytest
from flask import Flask
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import EmailTemplate
from panel.services import notice_texts, notices
from panel.services.notice_samples import SAMPLES
from tests.web.test_templates import typed

EVENT = notices.SYSTEM_MESSAGE
PARTS = list(notices.PARTS)

#: Ways out of Jinja that are known; none of them may show or do anything.
ESCAPES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ [].__class__.__base__.__subclasses__() }}",
    "{{ ().__class__.__bases__[0].__subclasses__()[0] }}",
    "{{ ''['__class__'] }}",
    "{{ ''|attr('__class__') }}",
    "{{ ''|attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "{{ ''|attr(['_'*2,'class','_'*2]|join) }}",
    "{{ source|attr('__init__')|attr('__globals__') }}",
    "{{ run.__class__.__init__.__globals__ }}",
    "{{ self.__init__.__globals__.__builtins__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ joiner.__init__.__globals__.os }}",
    "{{ namespace.__init__.__globals__.os }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ lipsum|attr('__globals__') }}",
    "{{ dict.__base__.__subclasses__() }}",
    "{{ dict.mro() }}",
    "{{ range.__class__ }}",
    "{{ ''.format.__self__ }}",
    "{{ '{0.__class__.__mro__}'.format('') }}",
    "{{ '{a.__class__}'.format_map({'a': 1}) }}",
    "{{ ('{0.__class__.__init__.__globals__}'|string).format(cycler) }}",
    "{{ '%s'|format(''.__class__) }}",
    "{{ ['{0.__class__}']|map('format', '')|list }}",
    "{{ [['{0.__class__}', '']]|map('first')|map('attr', 'format')|list }}",
    "{% for f in [['{0.__class__}']]|map('first')|map('attr', 'format') %}{{ f('') }}{% endfor %}",
    "{% set f = '{0.__class__.__mro__}'.format %}{{ f('') }}",
    "{{ ['x']|map(attribute='__class__')|list }}",
    "{{ ['x']|groupby('__class__') }}",
    "{{ ['x']|sum(attribute='__class__.__mro__', start=[]) }}",
    "{{ ['x']|sort(attribute='__class__') }}",
    "{{ ['x']|selectattr('__class__')|map(attribute='__class__')|list }}",
    "{{ url_for.__globals__ }}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ config }}",
    "{{ config.items() }}",
    "{{ request.application }}",
    "{{ g }}{{ session }}",
    "{{ x.__class__ }}",
    "{% include '/etc/passwd' %}",
    "{% include 'base.html' %}",
    "{% import 'os' as os %}{{ os }}",
    "{% from 'os' import popen %}",
    "{% extends 'base.html' %}",
    "{% set x = run.update({'a': 1}) %}",
    "{{ stayed.append(1) }}",
    "{{ stayed.clear() }}",
    "{{ run.pop('id') }}",
    "{{ (run|attr('update'))({'a': 1}) }}",
    "{{ caller.__globals__ }}",
    "{% macro m() %}{% endmacro %}{{ m.__globals__ }}{{ m._func }}",
    "{% for x in [1] recursive %}{{ loop.__class__ }}{% endfor %}",
    "{{ __import__('os') }}",
    "{{ open('/etc/passwd').read() }}",
    "{{ eval('1') }}",
    "{% do run %}",
    "{% debug %}",
    "{% python %}import os{% endpython %}",
    "<% import os %>",
]
#: What would show that one of them got somewhere.
LEAKS = ("&lt;class", "<class", "subclass", "root:", "uid=", "SECRET_KEY", "<module", "&lt;module", "PANEL_")
#: Never ending, or larger than anything.
ENDLESS = [
    "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}",
    "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
    "{{ 99999999 ** 99999999 }}",
]
HUGE = [
    "{{ 'x' * 10 ** 10 }}",
    "{{ [1] * 10 ** 10 }}",
    "{{ range(10 ** 12)|list }}",
    "{{ '%9999999999d' % 1 }}",
    "{{ '{:>9999999999}'.format(1) }}",
    "{{ 'x'.ljust(10 ** 10) }}",
    "{{ 'x'|center(10 ** 10) }}",
    "{{ [1]|batch(10 ** 10, 'x')|list }}",
    "{{ 'x'|indent(10 ** 10) }}",
    "{% set n = namespace(a='x') %}{% for i in range(60) %}{% set n.a = n.a ~ n.a %}{% endfor %}{{ n.a }}",
    "{% for a in range(9999) %}{{ 'x' * 9999 }}{% endfor %}",
    "{{ 'x' * 2500000 }}",
    "{{ lipsum(n=1000000) }}",
]
THOROUGH = [pytest.param(source, marks=pytest.mark.thorough) for source in (*ENDLESS[1:], *HUGE)]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("source", ESCAPES)
def test_nothing_gets_out_of_the_sandbox(source: str, part: str) -> None:
    """In this process, without the walls around the one it is rendered in: the sandbox itself has to hold."""
    from panel.services.template_room import render_all

    done = render_all(source, part.endswith(".html"), 10000, [dict(SAMPLES[EVENT][0])])
    if done["problem"] is None:
        assert not [leak for leak in LEAKS if leak in done["texts"][0].replace(source, "")], done["texts"]
    assert SAMPLES[EVENT][0]["stayed"] and SAMPLES[EVENT][0]["run"]["id"] == 12


@pytest.mark.parametrize("source", [ENDLESS[0], HUGE[0], HUGE[9], *THOROUGH])
def test_nothing_takes_long_or_becomes_large(app: Flask, source: str) -> None:
    begun = time.monotonic()
    problem = notices.check(EVENT, "body.txt", source, SAMPLES[EVENT][0])
    assert time.monotonic() - begun < 10
    assert problem and problem.line >= 1 and problem.sentence


def test_a_stored_text_that_never_ends_does_not_keep_a_mail_back(app: Flask) -> None:
    db.session.add(EmailTemplate(event=EVENT, enabled=True, subject="{{ source }} is done", text=ENDLESS[0], html="{{ 'x' * 10 ** 10 }}"))
    db.session.commit()
    mail = notices.render(EVENT, SAMPLES[EVENT][0])
    assert mail.subject == "Oak is done"
    assert "Oak" in mail.text and "Oak" in mail.html and len(mail.html) < 20000


def test_a_subject_stays_on_one_short_line(app: Flask) -> None:
    assert notices.check(EVENT, "subject.txt", "{{ 'x' * 501 }}", SAMPLES[EVENT][0])
    db.session.add(EmailTemplate(event=EVENT, enabled=True, subject="{{ source }}\r\nBcc: eve@evil.test\n\n<p>", text="", html=""))
    db.session.commit()
    assert notices.render(EVENT, SAMPLES[EVENT][0]).subject == "Oak Bcc: eve@evil.test <p>"


def test_the_form_says_so_in_time_and_stores_nothing(app: Flask, ada: FlaskClient) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    answer = ada.post(f"/settings/notifications/{EVENT}", data=typed(subject=ENDLESS[0]))
    assert answer.status_code == 422 and "takes too long" in answer.text
    assert db.session.get(EmailTemplate, EVENT) is None


def test_the_process_that_renders_knows_no_secret_and_no_way_back(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "marked-secret")
    seen: list[dict[str, object]] = []
    from panel.services import apart

    real = apart.subprocess.run
    monkeypatch.setattr(apart.subprocess, "run", lambda *args, **how: seen.append({"args": args, **how}) or real(*args, **how))
    assert notice_texts.sample_of(EVENT, "subject", "{{ target }} <&> {{ source }}") == "Birch <&> Oak"
    (call,) = seen
    assert call["env"] == {} and "marked-secret" not in str(call["args"]) and "-I" in call["args"][0]  # type: ignore[index]
    assert "Oak" not in str(call["args"]), "what is rendered is not in the list of processes"
