"""How long a run waits for a server that does not answer."""

from __future__ import annotations

from dataclasses import replace

from flask import Flask


def waiting_for(app: Flask, *seconds: float) -> None:
    """So long from one try to the next; after the last of them it is given up."""
    app.extensions["panel_config"] = replace(app.extensions["panel_config"], outage_waits_s=seconds)
