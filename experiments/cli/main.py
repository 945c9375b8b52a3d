"""`gradtrace list`, `gradtrace run NAME [--flags]` and the other commands.

Exit codes: 0 done, 1 an unforeseen error (or, from `verify`, an exact claim that does not hold), 2
flags, values or data that the user can mend, 130 interrupted by Ctrl-C, 143 by SIGTERM.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from rich.console import Console

from engine.spelling import SPELLED
from experiments.cli.ending import say
from experiments.cli.flags import FlagError, read_settings
from experiments.cli.running import run_and_save
from experiments.data import DataError
from experiments.figures.verdicts import counts
from experiments.lab.long_runs import how_to_resume
from experiments.lab.progress import Shown
from experiments.lab.question import Question, SettingsError
from experiments.lab.results import versions
from experiments.lab.tables import table
from experiments.questions import QUESTIONS

_USAGE = """usage: gradtrace list               the experiments, their questions and times
       gradtrace run NAME [flags]   one experiment: figures, tables, verdicts
       gradtrace trace [flags]      one backward pass, layer by layer
       gradtrace activation NAME    the card of an activation; or FILE.py:NAME
       gradtrace verify [--quick]   every experiment: all claims and verdicts
       gradtrace report [flags]     one page of all results, for a browser
       gradtrace --version

Each command takes --help, and `gradtrace run NAME --help` lists the flags of
one experiment. A first look, in seconds: gradtrace run vanishing --quick"""

_LIST_HELP = """usage: gradtrace list

Lists the experiments: name, time of the default run on two cores, question."""

_RUN_HELP = """usage: gradtrace run NAME [--quick | --paper] [flags]

Measures one experiment, writes its figures, arrays and result.json into
results/NAME, and says what was seen. `gradtrace run NAME --help` lists the
flags of that experiment.

  --quick    small nets and few updates: seconds to a minute
  --paper    the sizes of the paper: minutes to days

NAME is one of"""


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=SPELLED)  # "d" where a terminal has no "∂"
    try:
        return _command(args)
    except (FlagError, SettingsError, DataError) as error:
        print(f"gradtrace: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupted:
        print(f"gradtrace: interrupted{interrupted}", file=sys.stderr)
        return 130
    except MemoryError:
        print("gradtrace: not enough memory; take fewer or smaller layers", file=sys.stderr)
        return 2


def _command(args: list[str]) -> int:
    match args:
        case []:
            raise FlagError("say what to do: `gradtrace list` or `gradtrace run NAME`")
        case ["-h" | "--help"]:
            print(_USAGE)
        case ["list", "-h" | "--help", *_]:
            print(_LIST_HELP)
        case ["run", "-h" | "--help", *_]:
            print(_RUN_HELP)
            _list()
        case ["--version"]:
            print(f"gradtrace {versions()['gradtrace']}")
        case ["list"]:
            _list()
        case ["list", *rest]:
            raise FlagError(f"list takes nothing after it, got {' '.join(rest)}")
        case ["run"]:
            raise FlagError(f"run needs a name: {', '.join(QUESTIONS)}")
        case ["run", name, *flags]:
            if name not in QUESTIONS:
                raise FlagError(
                    f"no experiment is named {name!r}; there are {', '.join(QUESTIONS)}"
                )
            _run(QUESTIONS[name], flags)
        case ["activation", *rest]:
            from experiments.cli.cards import activation_command

            activation_command(rest, _console())
        case ["trace", *flags]:
            from experiments.cli.tracing import trace_command

            trace_command(flags, _console())
        case ["verify", *flags]:
            from experiments.cli.verify import verify_command

            return verify_command(flags, _console())
        case ["report", *flags]:
            from experiments.cli.report import report_command

            report_command(flags, _console())
        case [first, *_]:
            raise FlagError(
                f"unknown command {first!r}; there are list, run, activation, trace, verify and "
                "report"
            )
    return 0


def _console() -> Console:
    return Console()  # of the terminal's width, or of COLUMNS; 80 in a pipe


def _list() -> None:
    listed = table("", ("experiment", "time", "question"), left=3)
    listed.columns[1].no_wrap = True
    for question in QUESTIONS.values():
        listed.add_row(question.name, question.takes, question.asks)
    listed.caption = "time: of the default run on two cores"
    listed.caption_justify = "left"
    _console().print(listed)


def _run(question: Question, flags: list[str]) -> None:
    settings = read_settings(question, flags)
    if settings is None:
        return
    folder = settings.results / question.name
    try:
        with Shown() as progress:
            done = run_and_save(question, settings, folder, progress)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(how_to_resume(settings, folder)) from None
    console = _console()
    console.print(f"\n[bold]{question.asks}[/]")
    for each in question.tables(settings, done.result):
        console.print()
        console.print(each)
    say(
        console,
        question.answer(settings, done.result),
        done.files[::-1],
        question.read_next,
        Verdicts=f"{len(done.result.claims)} claims: {counts(done.result.claims)}.",
    )
    console.print(f"({done.seconds:.1f} s)", style="dim", highlight=False)
