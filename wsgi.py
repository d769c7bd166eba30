"""The panel as a WSGI application: for `flask`, `gunicorn wsgi:app` and `python -m panel.serve`."""

from panel import create_app

app = create_app()
