"""Journeys are played on a stage of simulated servers."""

from tests.fixtures import app, config, database_kind, scene, tv

__all__ = ["app", "config", "database_kind", "scene", "tv"]
