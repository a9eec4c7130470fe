"""Cold starts."""

from collections.abc import Iterator
from statistics import median

from benchmarks.cpu_share import Share
from benchmarks.figures import figure, ratio
from benchmarks.measures.cold import IN_EVERY_SIZE, MEMORY_SIZES, ON_FIRST_USE, OUR_SIZE
from benchmarks.samples import NAMES, Samples
from benchmarks.sections.table import table
from benchmarks.stage import FLOWS


def cold(samples: Samples) -> Iterator[str]:
    """Tell of cold starts with a whole CPU, and by memory size."""
    yield "## Cold starts"
    yield (
        "With a whole CPU. The floor makes its two clients in init and reads SSM in its first "
        "request; ours reads SSM in init, so that the first request finds everything ready. The "
        "floor's init is the same for all, so inits are compared with all of its samples."
    )
    for flow, function in FLOWS.items():
        yield table(
            [flow, "init", "first answer", "together", "init ÷ floor", "together ÷ floor"],
            [_row(samples, function, each) for each in samples.contestants(function)],
        )
    yield "![Cold start of login by contestant](images/benchmarks/cold.svg)"
    yield "The other functions:"
    others = sorted({each.setup.function for each in samples.results.cold} - set(FLOWS.values()))
    yield table(
        ["function", "init", "first answer", "init ÷ floor", "memory, MB"],
        [_other(samples, function) for function in others],
    )
    if samples.results.by_memory:
        yield from _by_memory(samples)


def _row(samples: Samples, function: str, contestant: str) -> list[str]:
    init, whole = samples.init(function, contestant), samples.whole(function, contestant)
    return [
        NAMES[contestant],
        figure(init).text(),
        figure(samples.first(function, contestant)).text(),
        figure(whole).text(),
        f"{ratio(init, samples.floors_init()).text(2)} ×",
        f"{ratio(whole, samples.whole(function, 'floor')).text(2)} ×",
    ]


def _other(samples: Samples, function: str) -> list[str]:
    init = samples.init(function)
    peaks = [each.peak_mb for each in samples.results.cold if each.setup.function == function]
    return [
        function,
        figure(init).text(),
        figure(samples.first(function)).text(),
        f"{ratio(init, samples.floors_init()).text(2)} ×",
        f"{median(peaks):.0f}",
    ]


def _by_memory(samples: Samples) -> Iterator[str]:
    yield "### By memory size"
    yield "Login, init and first answer together, with the CPU share of the memory size in both:"
    yield table(
        ["", *(f"{size} MB" for size in MEMORY_SIZES)],
        [
            [NAMES[each], *(figure(samples.limited(each, size)).text() for size in MEMORY_SIZES)]
            for each in IN_EVERY_SIZE
        ],
    )
    yield "![Cold start of login by memory size](images/benchmarks/memory.svg)"
    yield (
        "Lambda is observed to give init a whole CPU whatever the memory size. With "
        f"{OUR_SIZE} MB's share only after init, what is prepared there is what a user does not "
        "wait for:"
    )
    share = Share.LIMITED_AFTER_INIT
    yield table(
        ["", "init", "first answer", "together"],
        [
            [
                NAMES[each],
                figure([one.init_ms for one in samples.by_memory(each, share=share)]).text(),
                figure([one.first_ms for one in samples.by_memory(each, share=share)]).text(),
                figure(samples.limited(each, OUR_SIZE, share)).text(),
            ]
            for each in samples.contestants("Login")
        ],
    )
    saved = median(samples.limited(ON_FIRST_USE, OUR_SIZE, share)) - median(
        samples.limited("ours", OUR_SIZE, share)
    )
    prepared, unprepared = (
        median(samples.limited(each, OUR_SIZE)) for each in ("ours", ON_FIRST_USE)
    )
    yield (
        f"So preparing in init saves {saved:.0f} ms of a cold login if Lambda does so; with "
        "provisioned concurrency it saves the whole init. With the share in init too, a cold login "
        f"takes {prepared:.0f} ms prepared and {unprepared:.0f} ms unprepared."
    )
