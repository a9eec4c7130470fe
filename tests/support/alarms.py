"""Decides as CloudWatch does whether an alarm goes off, from the metrics that were written.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import math
import operator
from dataclasses import dataclass, replace
from typing import Any

from stack.cloudformation import Values
from tests.support.translated import STAGE, monitoring

GIVEN = {
    "Stage": STAGE,
    "AlarmTopicArn": "the-topic",
    "ApiId": "the-api",
    "TableName": "the-table",
    "FailedSchedulesName": "the-queue",
    "FailedEventsName": "the-other-queue",
    "LogGroupName": "the-log",
    "AccessLogGroupName": "the-access-log",
    "LoginName": "login",
    "PhonesPerDay": "1000",
}
COMPARISONS = {
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
}


@dataclass(frozen=True)
class Datapoint:
    namespace: str
    name: str
    dimensions: frozenset
    value: float
    at: float  # seconds before now

    def ago(self, seconds):
        return replace(self, at=seconds)


def point(namespace, name, value, at=0.0, **dimensions):
    return Datapoint(namespace, name, frozenset(dimensions.items()), value, at)


def embedded(output):
    """Read the metrics that a function has printed in the embedded metric format."""
    for line in output.splitlines():
        if '"_aws"' not in line:
            continue
        written = json.loads(line)
        for directive in written["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = {name: written[name] for name in names}
                for metric in directive["Metrics"]:
                    values = written[metric["Name"]]
                    for value in values if isinstance(values, list) else [values]:
                        yield point(directive["Namespace"], metric["Name"], value, **dimensions)


def alarm(name, **given):
    """Return an alarm of monitoring.yaml with its references filled in."""
    resources = monitoring()["Resources"]
    return Values(monitoring(), {**GIVEN, **given}).resolve(resources[name]["Properties"])


def names():
    resources = monitoring()["Resources"].items()
    return [name for name, each in resources if each["Type"] == "AWS::CloudWatch::Alarm"]


def is_on(properties, datapoints):
    """Return whether the alarm is on: every one of its periods breaches its threshold."""
    watched = [each for each in datapoints if _is_watched(properties, each)]
    period, periods = int(properties["Period"]), int(properties["EvaluationPeriods"])
    compare = COMPARISONS[properties["ComparisonOperator"]]
    breaches = []
    for number in range(periods):
        values = [each.value for each in watched if number <= each.at / period < number + 1]
        if values:
            breaches.append(compare(_statistic(properties, values), float(properties["Threshold"])))
        else:
            breaches.append(
                {"breaching": True, "notBreaching": False}[properties["TreatMissingData"]]
            )
    return all(breaches)


def _is_watched(properties, datapoint):
    dimensions = frozenset((each["Name"], str(each["Value"])) for each in properties["Dimensions"])
    wanted = (properties["Namespace"], properties["MetricName"], dimensions)
    return wanted == (datapoint.namespace, datapoint.name, datapoint.dimensions)


def _statistic(properties, values):
    if "ExtendedStatistic" in properties:
        share = float(properties["ExtendedStatistic"].removeprefix("p")) / 100
        return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]
    known: dict[str, Any] = {
        "Sum": sum,
        "Maximum": max,
        "SampleCount": len,
    }
    return known[properties["Statistic"]](values)
