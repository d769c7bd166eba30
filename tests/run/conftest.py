"""Runs are tested on a stage of simulated servers, and whatever they go through, each status follows from the one before."""

from tests.fixtures import app, config, database_kind, scene, tv, watched

__all__ = ["app", "config", "database_kind", "scene", "tv", "watched"]
