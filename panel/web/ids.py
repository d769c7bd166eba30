"""Ids in addresses: a number that no row can have is an address that leads nowhere."""

from __future__ import annotations

from flask import Flask
from werkzeug.routing import IntegerConverter, Map

#: The largest id there can be (a four-byte integer, as PostgreSQL keeps them).
LARGEST = 2**31 - 1


class RowId(IntegerConverter):
    """What `<int:…>` stands for in an address."""

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, max=LARGEST)


def register(app: Flask) -> None:
    """Bind it to an app, before its screens."""
    app.url_map.converters["int"] = RowId
