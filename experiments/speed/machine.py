"""The machine that the numbers are of: its processor, cores, caches; "unknown" where it hides them.

Linux says all of it in /proc and /sys, macOS a part through sysctl.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# Those that decide how fast arithmetic can be.
_FEATURES = ("sse2", "avx", "avx2", "fma", "avx512f", "avx512dq", "avx512bw", "avx512_bf16")
_AMD_ZEN_4 = 25  # the family of Zen 3 and 4, of which Zen 4 has AVX-512
_BUSY = 0.4  # processes at work for each core
_SLOW_512 = (
    "this processor runs AVX-512 on units of 256 bits, so OpenBLAS' AVX-512 kernels are hardly "
    "faster than its AVX2 ones"
)


@dataclass(frozen=True)
class Machine:
    """What is known of this machine.

    Attributes:
        cores: that this process may use.
        caches: bytes by level, "L1" for data, "L2", "L3".
        notes: what one should know when reading the numbers.
    """

    cpu: str = "unknown"
    architecture: str = "unknown"
    cores: int = 1
    features: tuple[str, ...] = ()
    caches: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def has_avx512(self) -> bool:
        return "avx512f" in self.features

    def cache_words(self) -> str:
        """The caches for a reader: "L1 32 KiB, L2 1 MiB"."""
        return ", ".join(f"{name} {size_words(size)}" for name, size in self.caches.items())


def this_machine(
    cpuinfo: Path = Path("/proc/cpuinfo"),
    caches: Path = Path("/sys/devices/system/cpu/cpu0/cache"),
) -> Machine:
    """What this machine says of itself."""
    first = _first_processor(cpuinfo)
    flags = (first.get("flags") or first.get("Features") or "").split()
    features = tuple(name for name in _FEATURES if name in flags)
    family = first.get("cpu family", "")
    zen_4 = first.get("vendor_id") == "AuthenticAMD" and family == str(_AMD_ZEN_4)
    return Machine(
        cpu=first.get("model name") or _sysctl("machdep.cpu.brand_string") or "unknown",
        architecture=platform.machine() or "unknown",
        cores=available_cores(),
        features=features,
        caches=_caches(caches),
        notes=(_SLOW_512,) if zen_4 and "avx512f" in features else (),
    )


def available_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def busy() -> str:
    """A warning if others use this machine, in the mean of the last minute; else nothing.

    On two threads above all: one that has to wait for a core makes the other wait for it.
    """
    try:
        processes = os.getloadavg()[0]
    except (OSError, AttributeError):  # Windows has no such function
        return ""
    if processes < _BUSY * available_cores():
        return ""
    return (
        f"this machine is busy ({processes:.1f} processes at work in the last minute), so times on "
        "several threads mean little; measure when it has nothing else to do"
    )


def _first_processor(path: Path) -> dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    lines = text.split("\n\n")[0].splitlines()
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _caches(folder: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    for index in sorted(folder.glob("index*")):
        try:
            level, kind, size = (
                (index / name).read_text(encoding="utf-8").strip()
                for name in ("level", "type", "size")
            )
        except OSError:
            continue
        amount = re.fullmatch(r"(\d+)([KMG]?)", size)
        if kind != "Instruction" and amount:
            unit = {"": 0, "K": 10, "M": 20, "G": 30}[amount[2]]
            found[f"L{level}"] = int(amount[1]) << unit
    return found


def _sysctl(name: str) -> str:
    if sys.platform != "darwin":
        return ""
    try:
        said = subprocess.run(
            ["sysctl", "-n", name], capture_output=True, encoding="utf-8", timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout.strip()


def size_words(size: int) -> str:
    """Bytes in KiB or MiB."""
    return f"{size / 2**20:.3g} MiB" if size >= 2**20 else f"{size / 2**10:.3g} KiB"
