"""Stations and teams, with workers that are made up: starting anew, giving up, being lost."""

import pytest

from experiments.speed.processes import WorkerDiedError, WorkerError
from experiments.speed.rivals import FUSED, NUMPY, OPENBLAS, OURS, TORCH, Rival
from experiments.speed.team import Station, Team, station_of


class FakeWorker:
    """Answers what it is told to; an exception among the answers is raised."""

    def __init__(self, answers):
        self.answers, self.asked, self.closed = list(answers), [], False

    def ask(self, limit, **request):
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self):
        self.closed = True


def starter(*workers):
    """A `start` that hands out these, one after the other; an exception among them is raised."""
    waiting = list(workers)

    def start(rival, threads):
        worker = waiting.pop(0)
        if isinstance(worker, Exception):
            raise worker
        return worker

    start.waiting = waiting
    return start


def rival(name=NUMPY):
    return Rival(name, "python", "x.py")


class TestStation:
    def test_it_starts_when_first_asked(self):
        start = starter(FakeWorker([{"a": 1}, {"a": 2}]))
        station = Station(rival(), 1, start)
        assert len(start.waiting) == 1
        assert [station.ask(do="x"), station.ask(do="y")] == [{"a": 1}, {"a": 2}]

    def test_after_a_death_it_starts_anew(self):
        first, second = FakeWorker([WorkerDiedError("gone")]), FakeWorker([{"a": 1}])
        station = Station(rival(), 1, starter(first, second))
        with pytest.raises(WorkerError, match="gone"):
            station.ask(do="x")
        assert first.closed
        assert station.ask(do="x") == {"a": 1}

    def test_an_error_alone_is_no_death(self):
        worker = FakeWorker([WorkerError("can't"), {"a": 1}])
        station = Station(rival(), 1, starter(worker))
        with pytest.raises(WorkerError, match="can't"):
            station.ask(do="x")
        assert station.ask(do="x") == {"a": 1} and not worker.closed

    def test_it_gives_up_after_three_starts(self):
        start = starter(*(FakeWorker([WorkerDiedError(f"death {i}")]) for i in range(9)))
        station = Station(rival(), 1, start)
        for _ in range(3):
            with pytest.raises(WorkerError, match=r"^death"):
                station.ask(do="x")
        for _ in range(2):
            with pytest.raises(WorkerError, match="given up after 3 starts: death 2"):
                station.ask(do="x")
        assert len(start.waiting) == 6

    def test_letting_go_starts_nothing(self):
        start = starter(FakeWorker([]))
        Station(rival(), 1, start).drop()
        assert len(start.waiting) == 1

    def test_letting_go_never_fails(self):
        station = Station(rival(), 1, starter(FakeWorker([{}, WorkerDiedError("gone")])))
        station.ask(do="x")
        station.drop()


class TestTeam:
    def assembled(self, **answers):
        workers = {name: FakeWorker(answer) for name, answer in answers.items()}
        start = lambda rival, threads: workers[rival.name]  # noqa: E731
        team = Team([rival(name) for name in workers], 1, 5, start)
        return team, workers, *team.assemble()

    def test_everybody_says_who_he_is(self):
        team, _, abouts, lost = self.assembled(
            **{OURS: [{"about": {"a": 1}}], OPENBLAS: [{"about": {"core": "SKYLAKEX"}}]}
        )
        assert abouts == {OURS: {"a": 1}, OPENBLAS: {"core": "SKYLAKEX"}} and not lost
        names = [e.name for e in team.entrants([FUSED, OURS, NUMPY, OPENBLAS])]
        assert names == [FUSED, OURS, OPENBLAS]

    def test_all_get_up_before_the_first_is_asked(self):
        diary = []

        class Writing(FakeWorker):
            def ask(self, limit, **request):
                diary.append("ask")
                return super().ask(limit, **request)

        def start(rival, threads):
            diary.append("start")
            return Writing([{"about": {}}])

        Team([rival(OURS), rival(NUMPY)], 1, 0, start).assemble()
        assert diary == ["start", "start", "ask", "ask"]

    def test_one_that_can_not_start_is_lost(self):
        team, workers, abouts, lost = self.assembled(
            **{OURS: [{"about": {}}], TORCH: [WorkerDiedError("no module")]}
        )
        assert list(abouts) == [OURS]
        assert lost == {TORCH: "PyTorch can't be measured: no module"}
        assert [e.name for e in team.entrants([OURS, TORCH])] == [OURS]
        assert workers[TORCH].closed

    def test_another_blas_is_no_rival_twice(self):
        _, workers, abouts, lost = self.assembled(
            **{NUMPY: [{"about": {"core": "unknown"}}], OPENBLAS: [{"about": {"core": "unknown"}}]}
        )
        assert list(abouts) == [NUMPY] and "OpenBLAS" in lost[OPENBLAS]
        assert workers[OPENBLAS].closed and not workers[NUMPY].closed

    def test_all_end_with_the_block(self):
        team, workers, *_ = self.assembled(**{OURS: [{"about": {}}], NUMPY: [{"about": {}}]})
        with pytest.raises(KeyboardInterrupt), team:
            raise KeyboardInterrupt
        assert all(worker.closed for worker in workers.values())

    def test_what_a_worker_is_asked(self):
        worker = FakeWorker([{"about": {}}, {"digest": [1.0]}, {"times": [2.0]}, {}])
        team = Team([rival(OURS)], 1, 5, starter(worker))
        team.assemble()
        (entrant,) = team.entrants([FUSED])
        assert entrant.prepare({"work": "product"}) == [1.0]
        assert entrant.block(0.1, 3) == [2.0]
        entrant.drop()
        prepare, time, drop = worker.asked[1:]
        assert prepare["request"] == {"work": "product", "seed": 5, "variant": "fused"}
        assert time == {"do": "time", "slot": FUSED, "seconds": 0.1, "least": 3}
        assert prepare["slot"] == FUSED and drop == {"do": "drop"}


def test_both_of_our_variants_work_in_one_process():
    assert [station_of(name) for name in (OURS, FUSED, NUMPY)] == [OURS, OURS, NUMPY]
