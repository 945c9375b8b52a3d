"""How fast, and how long yet; and what of it is shown."""

import pytest

from experiments.lab import progress as module
from experiments.lab.progress import Shown
from experiments.lab.rates import Rate, clock, spelled


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
    assert rate.told(5000, "updates") == "50 updates/s, 0:01:40 left"
    assert rate.told(5000, "") == "0:01:40 left"


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
    assert rate.told(10_000, "updates") == "2,000 updates/s, 0:00:05 left"


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0.01234, "0.0123"), (1.234, "1.23"), (123.4, "123"), (999.4, "999"), (12345, "12,300"),
     (1234567, "1,230,000"), (1000, "1,000"), (999.7, "1,000")],
)  # fmt: skip
def test_rates_have_three_digits(rate, text):
    assert spelled(rate) == text


def test_times_of_day():
    assert [clock(s) for s in (0, 59.6, 3599, 360000)] == ["0:00:00", "0:01:00", "0:59:59",
                                                           "100:00:00"]  # fmt: skip


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
        "  6 %  tanh; 10 updates/s, 0:01:34 left",
        " 12 %  tanh; 10 updates/s, 0:01:28 left",
        " 18 %  tanh; 10 updates/s, 0:01:22 left",
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
        " 50 %  tanh", " 60 %  tanh; 10 updates/s, 0:00:40 left"
    ]  # fmt: skip
