"""The rules of the product, pure: no I/O, no clock, no framework. The page, the run and the commands all ask here."""
