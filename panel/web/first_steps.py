"""What leads to the first migration, as a page of its own."""

from __future__ import annotations

from flask import Blueprint, Response, current_app

from panel.services.first_steps import FirstStep, first_steps
from panel.web import htmx

screen = Blueprint("first_steps", __name__, url_prefix="/first-steps")


@screen.app_template_global()
def has_screen(step: FirstStep) -> bool:
    """Whether the screen that a step leads to exists."""
    return step.endpoint in current_app.view_functions


@screen.get("")
def index() -> Response:
    """All steps, each done or with the way to it."""
    return htmx.page_or_partial("first_steps/index.html", {}, steps=first_steps())
