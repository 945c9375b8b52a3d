"""The command `gradtrace`."""
