"""How fast, and how long yet; and what of it is shown."""

from itertools import pairwise

import pytest

from experiments.lab import progress as module
from experiments.lab.progress import Shown
from experiments.lab.rates import Rate, rounded, spelled


def test_the_rate_is_that_of_the_last_minute():
    rate = Rate()
    for _ in range(2):
        assert rate.per_second == 0 and rate.told(100, "updates") == ""
        rate.saw(0, 0)
    for second in range(1, 301):
        rate.saw(second, 10 * second)
    assert rate.per_second == pytest.approx(10)
    for second in range(301, 401):
        rate.saw(second, 3000 + 50 * (second - 300))
    assert rate.per_second == pytest.approx(50)
    assert rate.told(5000, "updates") == "50 updates/s, about 100 s left"
    assert rate.told(5000, "") == "about 100 s left"


def test_many_reports_take_little_memory():
    rate = Rate()
    for i in range(100_000):
        rate.saw(i / 1000, i)
    assert len(rate._seen) < 200
    assert rate.per_second == pytest.approx(1000, rel=0.01)


def test_a_run_that_stands_still_is_not_taken_for_a_fast_one():
    rate = Rate()
    rate.saw(0, 20)
    rate.saw(1, 1020)
    rate.saw(50, 1020)
    assert rate.per_second == pytest.approx(20)


def test_what_is_done_before_the_first_step_is_no_part_of_it():
    rate = Rate()
    rate.saw(0, 0)  # "data"
    rate.saw(40, 1)  # the first update, whose kernels were compiled
    rate.saw(40.2, 400)
    rate.saw(42.9, 5801)
    assert rate.told(10_000, "updates") == ""
    rate.saw(43, 6001)
    assert rate.told(10_000, "updates") == "2,000 updates/s, about 5 s left"


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0.01234, "0.0123"), (1.234, "1.23"), (123.4, "123"), (999.4, "999"), (12345, "12,300"),
     (1234567, "1,230,000"), (1000, "1,000"), (999.7, "1,000")],
)  # fmt: skip
def test_rates_have_three_digits(rate, text):
    assert spelled(rate) == text


def test_a_time_is_as_coarse_as_an_estimate():
    seconds = [0, 3, 12, 88, 120, 3599, 5400, 36_000, 1_440_000]
    words = ["5 s", "5 s", "10 s", "90 s", "2 min", "60 min", "1.5 h", "10 h", "400 h"]
    assert [rounded(s) for s in seconds] == words


def test_the_time_left_does_not_jump_where_steps_begin_to_cost_ten_times_as_much():
    rate, left = Rate(), 1200
    told = []
    for second in range(1, 121):
        done = 10 if second <= 60 else 1
        left -= done
        rate.saw(second, 1200 - left)
        if second > 3:
            told.append(rate._expected_end(left) - second)
    steps = [abs(after - before) for before, after in pairwise(told)]
    # The last minute alone would put the end off by up to 50 s from one second to the next.
    assert max(steps) < 25


@pytest.fixture
def seconds(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_lines_now_and_then_where_there_is_no_terminal(seconds, capsys):
    with Shown(every=5) as progress:
        progress.expect(1000, "updates")
        for _ in range(10):
            seconds[0] += 2
            progress.step("tanh", 20)
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "  6 %  tanh; 10 updates/s, about 95 s left",
        " 12 %  tanh; 10 updates/s, about 90 s left",
        " 20 %  tanh; 10 updates/s, about 80 s left",
    ]


def test_what_an_earlier_run_did_counts_for_the_share_and_not_for_the_rate(seconds, capsys):
    with Shown(every=1) as progress:
        progress.expect(1000, "updates")
        progress.step("tanh", 0)
        progress.skip(500)
        seconds[0] += 20
        progress.step("tanh", 1)
        seconds[0] += 10
        progress.step("tanh", 100)
    assert capsys.readouterr().err.splitlines() == [
        " 50 %  tanh", " 60 %  tanh; 10 updates/s, about 40 s left"
    ]  # fmt: skip


def test_a_line_for_each_tenth_however_long_the_run_takes(seconds, capsys):
    with Shown(every=5) as progress:
        progress.expect(100_000)
        for _ in range(1000):
            seconds[0] += 30
            progress.step("tanh", 100)
    said = capsys.readouterr().err.splitlines()
    assert len(said) < 22 and said[-1].startswith("100 %")
    for tenth in range(1, 11):
        assert any(line.startswith(f"{10 * tenth:3d} %") for line in said)


def test_the_lines_of_a_long_run_come_ever_more_seldom(seconds, capsys):
    with Shown(every=5) as progress:
        progress.expect(10_000_000)
        for _ in range(100_000):
            seconds[0] += 1
            progress.step("tanh", 1)
    assert 10 < len(capsys.readouterr().err.splitlines()) < 20
