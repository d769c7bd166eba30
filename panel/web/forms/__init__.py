"""Forms, one module per screen; each field checks what a browser may have let through."""
