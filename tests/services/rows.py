"""All rows of the database as values, to tell whether anything has changed."""

from __future__ import annotations

from sqlalchemy import select

from panel.extensions import db


def dump(*but: str) -> dict[str, list[tuple[object, ...]]]:
    """Every table's rows, sorted; tables named in `but` are left out."""
    tables = [table for table in db.metadata.sorted_tables if table.name not in but]
    return {table.name: sorted((tuple(row) for row in db.session.execute(select(table))), key=repr) for table in tables}
