"""What the command `gradtrace` starts: nothing is imported before Ctrl-C is answered properly."""

from __future__ import annotations

import os
import sys

from experiments.cli.interruptions import Interruptions
from experiments.cli.streams import OutputLost, prepare_streams


def main() -> int:
    """The command; returns its exit code, after a signal 128 and the signal's number."""
    with Interruptions() as interruptions:
        try:
            # The command draws into files alone, and matplotlib refuses a name it doesn't know.
            os.environ["MPLBACKEND"] = "agg"
            prepare_streams()
            from experiments.cli.main import main as command

            code = command()
            sys.stdout.flush()
        except OutputLost as lost:
            interruptions.answered()
            if lost.read:
                return 0
            print(f"gradtrace: {lost}", file=sys.stderr)
            return 2
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
