"""What takes longest begins first, so that no worker of pytest is left alone with it at the end."""

from __future__ import annotations

import pytest

LONG = ("test_several_workers.py", "test_database_outages.py", "test_power_cuts.py", "test_machine_cuts.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the items by whether their module is a long one; all else stays in its order."""
    items.sort(key=lambda item: item.path.name not in LONG)
