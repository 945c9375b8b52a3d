"""One traced pass through one net, for `gradtrace trace`."""
