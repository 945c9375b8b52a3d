"""What a machine says of itself, from files as Linux has them, and from none."""

import pytest

from experiments.speed import machine as machines
from experiments.speed.machine import Machine, available_cores, busy, size_words, this_machine

CPUINFO = """processor\t: 0
vendor_id\t: {vendor}
cpu family\t: {family}
model name\t: A Processor: 3 GHz
flags\t\t: fpu sse2 avx avx2 fma {more}

processor\t: 1
model name\t: another
"""


def machine(folder, vendor="GenuineIntel", family=6, more="", caches=()):
    (folder / "cpuinfo").write_text(CPUINFO.format(vendor=vendor, family=family, more=more))
    for i, words in enumerate(caches):
        index = folder / "cache" / f"index{i}"
        index.mkdir(parents=True)
        for name, word in zip(("level", "type", "size"), words, strict=False):
            (index / name).write_text(f"{word}\n")
    return this_machine(folder / "cpuinfo", folder / "cache")


def test_the_first_processor(tmp_path):
    found = machine(tmp_path, more="avx512f avx512bw")
    assert found.cpu == "A Processor: 3 GHz"
    assert found.features == ("sse2", "avx", "avx2", "fma", "avx512f", "avx512bw")
    assert found.has_avx512 and found.notes == ()
    assert not machine(tmp_path).has_avx512


def test_caches(tmp_path):
    caches = [
        ("1", "Data", "32K"), ("1", "Instruction", "64K"), ("2", "Unified", "1M"),
        ("3", "Unified", "36608K"), ("4", "Unified", "odd"), ("9",),
    ]  # fmt: skip
    found = machine(tmp_path, caches=caches).caches
    assert found == {"L1": 32 << 10, "L2": 1 << 20, "L3": 36608 << 10}


@pytest.mark.parametrize(
    ("vendor", "family", "more", "noted"),
    [
        ("AuthenticAMD", 25, "avx512f", True),  # Zen 4
        ("AuthenticAMD", 25, "", False),  # Zen 3
        ("AuthenticAMD", 26, "avx512f", False),  # Zen 5
        ("GenuineIntel", 25, "avx512f", False),
    ],
)
def test_avx512_on_units_of_256_bits_is_noted(vendor, family, more, noted, tmp_path):
    assert bool(machine(tmp_path, vendor, family, more).notes) is noted


def test_a_machine_that_says_nothing(tmp_path):
    found = this_machine(tmp_path / "missing", tmp_path / "missing")
    assert found.features == () and found.caches == {} and not found.has_avx512
    assert found.cores == available_cores() >= 1
    assert Machine().cpu == "unknown"


def test_a_busy_machine_is_warned_of(monkeypatch):
    cores = available_cores()
    monkeypatch.setattr(machines.os, "getloadavg", lambda: (0.3 * cores, 9.0, 9.0), raising=False)
    assert busy() == ""
    monkeypatch.setattr(machines.os, "getloadavg", lambda: (2.0 * cores, 0.0, 0.0))
    assert f"{2.0 * cores:.1f} processes" in busy() and "\n" not in busy()
    monkeypatch.delattr(machines.os, "getloadavg")
    assert busy() == ""


@pytest.mark.parametrize(
    ("size", "words"), [(32 << 10, "32 KiB"), (1 << 20, "1 MiB"), (36608 << 10, "35.8 MiB")]
)
def test_sizes(size, words):
    assert size_words(size) == words
