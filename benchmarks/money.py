"""What a million requests cost, from what was counted and measured, at public prices."""

from dataclasses import dataclass

# US dollars, us-east-1, x86: the providers' price pages of November 2026.
LAMBDA_MILLION_REQUESTS = 0.20
LAMBDA_GB_SECOND = 0.0000166667
HTTP_API_MILLION_REQUESTS = 1.00
DYNAMODB_MILLION_READS = 0.125
DYNAMODB_MILLION_WRITES = 0.625
KMS_TEN_THOUSAND_CALLS = 0.03
COLD_SHARE = 0.01
MB_OF_A_GB = 1024


@dataclass(frozen=True, slots=True)
class Use:
    """What one request of a flow takes."""

    memory_mb: int
    warm_ms: float
    cold_ms: float  # init and first answer: Lambda bills both
    reads: float
    writes: float
    secrets: int  # SecureStrings that a cold start has KMS decrypt


def million(use: Use) -> dict[str, float]:
    """Return the cost of a million requests by what is paid for."""
    ms = use.warm_ms * (1 - COLD_SHARE) + use.cold_ms * COLD_SHARE
    gb_seconds = ms / 1000 * use.memory_mb / MB_OF_A_GB * 1e6
    return {
        "API Gateway": HTTP_API_MILLION_REQUESTS,
        "Lambda, requests": LAMBDA_MILLION_REQUESTS,
        "Lambda, time": gb_seconds * LAMBDA_GB_SECOND,
        "DynamoDB": use.reads * DYNAMODB_MILLION_READS + use.writes * DYNAMODB_MILLION_WRITES,
        "KMS": use.secrets * COLD_SHARE * 1e6 / 1e4 * KMS_TEN_THOUSAND_CALLS,
    }
