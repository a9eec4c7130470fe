"""The cost of a million logins, from public prices and measured figures.

Only this module has AWS's prices. The tables of docs/benchmarks.md and docs/runbook.md come from
this module.
"""

from dataclasses import dataclass

# US dollars, us-east-1, x86, November 2026. https://aws.amazon.com/lambda/pricing/
LAMBDA_MILLION_REQUESTS = 0.20
LAMBDA_GB_SECOND = 0.0000166667
# https://aws.amazon.com/api-gateway/pricing/
HTTP_API_MILLION_REQUESTS = 1.00
# https://aws.amazon.com/dynamodb/pricing/on-demand/
DYNAMODB_MILLION_READS = 0.125
DYNAMODB_MILLION_WRITES = 0.625
# https://aws.amazon.com/kms/pricing/
KMS_TEN_THOUSAND_CALLS = 0.03
# https://aws.amazon.com/cloudwatch/pricing/
LOGS_GB = 0.50

COLD_SHARE = 0.01  # one request in a hundred meets a new container
MEMORY_MB = 512
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-function.html
CPU_SHARE = MEMORY_MB / 1769  # of a whole CPU, which the benchmarks and Lambda's init use
# Lambda's three JSON lines per request, and API Gateway's line in the access log.
PLATFORM_LOG_BYTES = 900


@dataclass(frozen=True, slots=True)
class Login:
    """The resources of one login."""

    warm_ms: float  # with a whole CPU
    warm_cpu_ms: float  # of the former
    init_ms: float  # Lambda bills it
    first_ms: float  # with a whole CPU
    reads: float
    writes: float
    secrets: int  # SecureStrings that KMS decrypts for a cold start
    log_bytes: float  # of the function's own lines


def duration(ms: float) -> float:
    """Return the cost of a million times these milliseconds."""
    return ms / 1000 * MEMORY_MB / 1024 * 1e6 * LAMBDA_GB_SECOND


def billed_ms(login: Login) -> tuple[float, float]:
    """Return the longest duration of a login with the CPU share of its memory, warm and cold.

    Lambda gives the share in short slices, so a short task often takes less time.
    """
    slower = 1 / CPU_SHARE
    return login.warm_ms + login.warm_cpu_ms * (slower - 1), login.init_ms + login.first_ms * slower


def million(login: Login) -> dict[str, float]:
    """Return the cost of a million logins by item, without the log."""
    warm_ms, cold_ms = billed_ms(login)
    return {
        "API Gateway": HTTP_API_MILLION_REQUESTS,
        "Lambda, requests": LAMBDA_MILLION_REQUESTS,
        "Lambda, duration": duration(warm_ms * (1 - COLD_SHARE)),
        "Lambda, cold starts": duration(cold_ms * COLD_SHARE),
        "DynamoDB, reads": login.reads * DYNAMODB_MILLION_READS,
        "DynamoDB, writes": login.writes * DYNAMODB_MILLION_WRITES,
        "KMS": login.secrets * COLD_SHARE * 1e6 / 1e4 * KMS_TEN_THOUSAND_CALLS,
    }


def log(login: Login) -> float:
    """Return the cost of the log of a million logins."""
    return (login.log_bytes + PLATFORM_LOG_BYTES) / 1e9 * 1e6 * LOGS_GB
