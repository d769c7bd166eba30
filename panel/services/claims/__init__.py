"""Links by which people choose a password for the account a run has made for them, and what using one does to that account."""
