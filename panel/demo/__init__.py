"""`flask demo`: the panel with simulated media servers, people whose names say their case, and an inbox for its mails."""
