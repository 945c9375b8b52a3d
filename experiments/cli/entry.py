"""What the command `gradtrace` starts: nothing is imported before Ctrl-C is answered properly."""

from __future__ import annotations

import sys

from experiments.cli.interruptions import Interruptions


def main() -> int:
    """The command; returns its exit code, after a signal 128 and the signal's number."""
    with Interruptions() as interruptions:
        try:
            from experiments.cli.main import main as command

            code = command()
        # Compilers make another error of an interruption that comes while they run.
        except BaseException as error:
            interruptions.answered()
            if not (interruptions.number or isinstance(error, KeyboardInterrupt)):
                raise
            print("gradtrace: interrupted", file=sys.stderr)
            code = _INTERRUPTED
        if code == _INTERRUPTED and interruptions.number:
            return 128 + interruptions.number
        return code


_INTERRUPTED = 130


if __name__ == "__main__":
    sys.exit(main())
