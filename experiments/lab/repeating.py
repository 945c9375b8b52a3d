"""`command`: the command line that repeats a run, from its settings as result.json has them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from experiments.lab.long_runs import LongRuns
from experiments.lab.question import Question
from experiments.lab.results import plain

# Where results go changes no number, nor do the flags of long runs.
_LEFT_OUT = ("results", *(f.name for f in fields(LongRuns)))


def command(question: Question, settings: Mapping[str, Any]) -> str:
    """`gradtrace run NAME`, with the preset that needs the fewest flags, and those flags.

    Settings that the question does not have any more are left out.
    """
    names = [f.name for f in fields(question.settings) if f.name not in _LEFT_OUT]
    candidates = []
    for preset in ("default", *question.presets):
        own = plain(asdict(question.preset(preset)))
        flags = [] if preset == "default" else [f"--{preset}"]
        for name in names:
            if name in settings and settings[name] != own[name]:
                flags += _flag(name, settings[name])
        candidates.append(flags)
    shortest = min(candidates, key=len)  # the default where others are no shorter
    return shlex.join(["gradtrace", "run", question.name, *shortest])


def _flag(name: str, value: Any) -> list[str]:
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    return [f"--{flag}", *map(str, value if isinstance(value, list) else [value])]
