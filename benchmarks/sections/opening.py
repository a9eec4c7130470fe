"""What was measured, how, and on what."""

from collections.abc import Iterator

from benchmarks.samples import Samples

INTRODUCTION = """# Benchmarks

How fast and how cheap the backend is, beside what one would use instead. `make bench` has measured
all of this in one run, contestants in turn, and written this page."""

CONTESTANTS = """The contestants:

- **ours**: what `make build` builds;
- **ours, plain sam build**: the same without `.pyc` files, as `sam build` ships Python by itself;
- **ours, nothing prepared**: the same as ours, but every part is built by the first request;
- **floor**: boto3's DynamoDB client and a requests session, compiled, and the same upstream calls
  made bare: no check, no session secret, no token, no log;
- **wechatpy**: the same job in the usual way, with wechatpy, boto3's resource and PyJWT with
  cryptography, clients and keys made once, shipped by a plain `sam build`; **compiled**: with
  `.pyc` files;
- **Node**: the same login on AWS SDK v3, bundled by esbuild as SAM does it. Its runtime client is
  forty lines of ours, because AWS's has to be compiled; so its init lacks what AWS's would cost."""

METHOD = (
    "How: each container is AWS's runtime interface emulator with awslambdaric, in a process of "
    "its own. WeChat (simulated) and AWS (ministack) stand behind TLS, whose authorities a "
    "container has to read as on Lambda, and a proxy that counts each call and adds the latency, "
    "twice more for a new connection. CPU is the runtime's own, by the kernel; boto3 is compiled, "
    "as Lambda's is. Figures are medians with the middle half of the samples in brackets, in "
    "milliseconds where nothing else is said; ratios are of medians. What one machine cannot show: "
    "Lambda's own hosts, the download of the bundle, the network."
)


def opening(samples: Samples) -> Iterator[str]:
    """Say what was measured, how, and on what."""
    yield INTRODUCTION
    yield CONTESTANTS
    yield METHOD
    results, machine = samples.results, samples.results.machine
    node = f", Node {machine.node}" if machine.node else "; Node is not installed, so left out"
    packages = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    yield (
        f"The machine: {machine.cores} cores of {machine.cpu}, {machine.memory_gb} GB, "
        f"{machine.system}, Python {machine.python}{node}; {packages}. The run began "
        f"{machine.began} and took {results.minutes:.1f} minutes."
    )
    quiet = float(machine.load) < machine.cores / 2
    beside = (
        "so nothing else of note ran" if quiet else "so other work ran beside it and disturbed it"
    )
    yield f"The load average before the run was {machine.load}, {beside}."
    if not machine.python.startswith("3.13."):
        yield "There is no Python 3.13 here, which Lambda runs: ratios hold, milliseconds less so."
    if not results.compiled_as_built:
        yield (
            "`make build` found no Python 3.13 to compile with, so the run has compiled its copy "
            "of the bundle itself; a bundle built here would be slower."
        )
    if results.shares_possible:
        yield (
            "CPU shares of memory sizes are set by cgroup: a container of 512 MB gets 29 % of a "
            "CPU, one of 1769 MB a whole one."
        )
    else:
        yield "No cgroup can be written here, so nothing is measured by memory size."
