"""Simulated plex.tv, Plex Media Server, Emby and Jellyfin: they serve the demo and the tests.

They are written from the protocols alone and import nothing of the panel's clients, so that both sides cannot share a mistake.
"""
