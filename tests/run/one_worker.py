"""A worker process for tests that kill it: `python -m tests.run.one_worker RUN` works on one run until it has ended."""

import sys
import time

from panel import create_app
from panel.extensions import db
from panel.models import Migration
from panel.models.types import utc_now
from panel.services import run as running


def main(run_id: int) -> None:
    """Until the run has ended."""
    app = create_app()
    with app.app_context():
        while db.session.get_one(Migration, run_id, populate_existing=True).ended_at is None:
            db.session.commit()
            left = running.work(run_id)
            if left.wake_at:
                time.sleep(max(0.0, (left.wake_at - utc_now()).total_seconds()))


if __name__ == "__main__":
    main(int(sys.argv[1]))
