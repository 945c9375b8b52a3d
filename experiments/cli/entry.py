"""What the command `gradtrace` starts: nothing is imported before Ctrl-C is answered properly."""

from __future__ import annotations

import sys


def main() -> int:
    """The command; returns its exit code."""
    try:
        from experiments.cli.main import main as command

        return command()
    except KeyboardInterrupt:
        print("gradtrace: interrupted", file=sys.stderr)
        return 130
