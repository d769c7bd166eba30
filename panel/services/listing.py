"""One page of a long list: filters, order and page in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, func, select

from panel.extensions import db

Row = TypeVar("Row")
PAGE_SIZE = 50


@dataclass(frozen=True)
class Page(Generic[Row]):
    """The rows of one page. `number` counts from 1; `total` is the number of rows on all pages."""

    rows: Sequence[Row]
    number: int
    pages: int
    total: int


def page_of(query: Select[Any], number: int, order: Sequence[ColumnElement[Any] | Any], *, size: int = PAGE_SIZE) -> Page[Any]:
    """One page of a query over one model: 2 queries, whatever loader options bring on top. A number past the end gives the last page."""
    total = db.session.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    pages = max(1, -(-total // size))
    number = min(max(1, number), pages)
    rows = db.session.scalars(query.order_by(*order).limit(size).offset((number - 1) * size)).unique().all()
    return Page(rows, number, pages, total)


def order_from(asked: str, orders: Mapping[str, Sequence[Any]], default: str) -> tuple[str, Sequence[Any]]:
    """The order somebody asked for (a key of `orders`, `-key` for the other way round), else the default; unknown words are ignored."""
    key = asked if asked.removeprefix("-") in orders else default
    columns = orders[key.removeprefix("-")]
    return key, [column.desc() for column in columns] if key.startswith("-") else columns
