"""The soak's report: what breaks a rule, and what is excused."""

import pytest

from tests.load.soak import OURS, Answer, Sample, Soak, report

LOGIN = "POST /login"


@pytest.fixture
def soak():
    """A run of 100 seconds with a login each second, and WeChat slow from 40 to 50."""
    soak = Soak("http://api", "http://wechat", 8, slow=[(40, 50)])
    soak.answers += [Answer(LOGIN, at, 0.02, 200, None) for at in range(100)]
    return soak


def samples(*, memory=lambda _: 90_000, descriptors=lambda _: 25):
    return {OURS: [Sample(at, memory(at), descriptors(at), 10) for at in range(100)]}


def test_a_run_in_which_all_is_well_holds(soak, capsys):
    assert report(soak, samples(), 1) == 0

    said = capsys.readouterr().out
    assert "100 requests in 1 minutes, 0 errors" in said
    assert f"| `{LOGIN}` | 89 | 20 | 20 |" in said
    assert "| for 10 s | 0.0 s | 11 times 200 | 1.0 s |" in said
    assert f"| {OURS} | 88 → 88 | +0.0 | 25 → 25 | 10 → 10 |" in said


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        pytest.param(Answer(LOGIN, 45, 5, 502, "wechat_unavailable"), 0, id="WeChat was slow"),
        pytest.param(Answer(LOGIN, 55, 5, 502, "wechat_unavailable"), 1, id="it was not"),
        pytest.param(Answer(LOGIN, 45, 5, 500, "internal"), 1, id="a bug meanwhile"),
        pytest.param(Answer("POST /token", 5, 1, 0, "ConnectionError"), 1, id="no answer"),
        pytest.param(Answer(LOGIN, 45, 29, 502, "wechat_unavailable"), 1, id="beyond the bound"),
    ],
)
def test_only_a_slow_wechat_excuses_an_error(soak, answer, code):
    soak.answers.append(answer)

    assert report(soak, samples(), 1) == code


def test_a_backend_that_does_not_recover_is_broken(soak):
    soak.answers = [each for each in soak.answers if each.began <= 50]

    assert report(soak, samples(), 1) == 1


@pytest.mark.parametrize(
    ("used", "code"),
    [
        pytest.param({"memory": lambda at: 90_000 + 100 * at}, 1, id="memory grows"),
        pytest.param({"memory": lambda at: 90_000 + 10 * at}, 0, id="by a hundredth"),
        pytest.param({"memory": lambda at: 90_000 if at > 9 else 50_000}, 0, id="at first"),
        pytest.param({"descriptors": lambda at: 25 + at // 5}, 1, id="descriptors leak"),
        pytest.param({"descriptors": lambda at: 25 + at % 5}, 0, id="descriptors vary"),
    ],
)
def test_a_process_that_keeps_growing_is_broken(soak, used, code):
    assert report(soak, samples(**used), 1) == code
