"""Journeys run the whole product."""

from tests.fixtures import app, config, database_kind, scene, tv

__all__ = ["app", "config", "database_kind", "scene", "tv"]
