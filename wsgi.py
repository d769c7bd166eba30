"""The panel as a WSGI application: for `flask` and `gunicorn wsgi:app`."""

import json
import sys

from panel import create_app
from panel.config import ConfigError

try:
    app = create_app()
except ConfigError as error:
    if "--json" in sys.argv:
        print(json.dumps({"error": {"code": "configuration", "message": str(error)}}))  # noqa: T201
    sys.exit(f"Streamferry cannot start: {error}")
