from tests.simulation.scheduler import Scheduler, Stopped


def test_the_task_with_the_earliest_time_runs_next():
    clock, order = Scheduler(0.0), list[object]()

    def task(name, pause):
        for _ in range(3):
            clock.wait(pause)
            order.append((clock.now, name))

    clock.spawn("slow", lambda: task("slow", 2.0))
    clock.spawn("quick", lambda: task("quick", 1.0))
    clock.run()

    assert order == [
        (1.0, "quick"),
        (2.0, "slow"),
        (2.0, "quick"),
        (3.0, "quick"),
        (4.0, "slow"),
        (6.0, "slow"),
    ]


def test_a_call_for_later_comes_between_the_tasks():
    clock, order = Scheduler(0.0), list[object]()

    def task():
        clock.call_later(1.5, lambda: order.append("late"))
        for _ in range(2):
            clock.wait(1.0)
            order.append(clock.now)

    clock.spawn("task", task)
    clock.run()

    assert order == [1.0, "late", 2.0]


def test_a_failure_ends_all_tasks_and_is_raised():
    clock, ended = Scheduler(0.0), []

    def waiting():
        try:
            clock.wait(10.0)
        except Stopped:
            ended.append("waiting")
            raise

    def failing():
        clock.wait(1.0)
        clock.fail(ValueError("a law"))

    clock.spawn("waiting", waiting)
    clock.spawn("failing", failing)
    try:
        clock.run()
    except ValueError as failure:
        ended.append(str(failure))

    assert ended == ["waiting", "a law"]
