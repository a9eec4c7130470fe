"""CloudFormation's language: short forms, parameters, conditions and intrinsic functions."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from stack.errors import BadParameter, BrokenTemplate

ACCOUNT = "000000000000"
REGION = "us-east-1"

FUNCTION = "AWS::Serverless::Function"
TABLE = "AWS::DynamoDB::Table"
QUEUE = "AWS::SQS::Queue"

# The service and the resource kind in an ARN, by resource type; other types get a plain ARN.
_ARN_KINDS = {
    FUNCTION: "lambda:{}:{}:function:",
    TABLE: "dynamodb:{}:{}:table/",
    QUEUE: "sqs:{}:{}:",
}

_NO_VALUE = object()


def parameter_values(declared: Mapping[str, Any], overrides: Mapping[str, str]) -> dict[str, str]:
    for name in overrides:
        if name not in declared:
            raise BadParameter(f"there is no parameter {name}; there are {', '.join(declared)}")
    values = {}
    for name, rules in declared.items():
        if name not in overrides and "Default" not in rules:
            raise BadParameter(f"the parameter {name} has no default and needs a value")
        values[name] = text_of(overrides.get(name, rules.get("Default")))
        if wish := _unmet(rules, values[name]):
            raise BadParameter(f"the parameter {name} is {values[name]!r} and must be {wish}")
    return values


def _unmet(rules: Mapping[str, Any], value: str) -> str | None:
    """Return the violated rule in words, or None if the value is valid."""
    allowed = [text_of(each) for each in rules.get("AllowedValues", [])]
    if allowed and value not in allowed:
        return "one of " + ", ".join(allowed)
    pattern = rules.get("AllowedPattern")
    if pattern and not re.fullmatch(pattern, value):
        return f"like {pattern}"
    if rules.get("Type") == "Number":
        return _unmet_range(rules, value)
    if not rules.get("MinLength", 0) <= len(value) <= rules.get("MaxLength", len(value)):
        return f"{rules.get('MinLength', 0)} to {rules.get('MaxLength', 'any number of')} letters"
    return None


def _unmet_range(rules: Mapping[str, Any], value: str) -> str | None:
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
        return "a number"
    number = float(value)
    low, high = rules.get("MinValue"), rules.get("MaxValue")
    if low is not None and number < low:
        return f"{low} or more"
    if high is not None and number > high:
        return f"{high} or less"
    return None


def text_of(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# libyaml's parser is ten times as fast as Python's, but some installations lack it.
class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # a dynamic base - its methods are SafeLoader's
    """YAML with CloudFormation's short forms: `!Sub x` becomes `{"Fn::Sub": x}`."""


def _short_form(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]  # yaml's stubs do not narrow it
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _short_form)


def load_template(template: Path) -> dict[str, Any]:
    try:
        document = yaml.load(template.read_text("utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    except OSError as fault:
        raise BrokenTemplate(f"{template}: {fault.strerror}") from fault
    except (yaml.YAMLError, UnicodeDecodeError) as fault:
        raise BrokenTemplate(f"{template.name}: {' '.join(str(fault).split())}") from fault
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict):
        raise BrokenTemplate(f"{template.name} has no Resources")
    return document


class Values:
    """Resolves references and conditions to their values on this machine."""

    def __init__(self, document: Mapping[str, Any], parameters: Mapping[str, str]) -> None:
        self.stack_name = f"wechat-login-{parameters.get('Stage', 'local')}"
        self._document = document
        self._parameters = parameters
        self._pseudo: dict[str, Any] = {
            "AWS::AccountId": ACCOUNT,
            "AWS::NoValue": _NO_VALUE,
            "AWS::Partition": "aws",
            "AWS::Region": REGION,
            "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{self.stack_name}/0",
            "AWS::StackName": self.stack_name,
            "AWS::URLSuffix": "amazonaws.com",
        }
        self._intrinsics: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Condition": self.holds,
            "Fn::And": lambda each: all(map(self.resolve, each)),
            "Fn::Equals": lambda pair: (
                text_of(self.resolve(pair[0])) == text_of(self.resolve(pair[1]))
            ),
            "Fn::FindInMap": self._find_in_map,
            "Fn::GetAtt": self._get_att,
            "Fn::If": lambda three: self.resolve(three[1 if self.holds(three[0]) else 2]),
            "Fn::Join": lambda pair: pair[0].join(map(text_of, self.resolve(pair[1]))),
            "Fn::Not": lambda one: not self.resolve(one[0]),
            "Fn::Or": lambda each: any(map(self.resolve, each)),
            "Fn::Select": lambda pair: self.resolve(pair[1])[int(self.resolve(pair[0]))],
            "Fn::Split": lambda pair: text_of(self.resolve(pair[1])).split(pair[0]),
            "Fn::Sub": self._sub,
        }

    def resolve(self, node: Any) -> Any:
        """Resolve every intrinsic function in `node`."""
        if isinstance(node, list):
            return [value for value in map(self.resolve, node) if value is not _NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((name, argument),) = node.items()
            # `Condition` is also a key of IAM statements; its value is then a mapping.
            if name in self._intrinsics and not (
                name == "Condition" and isinstance(argument, dict)
            ):
                return self._intrinsics[name](argument)
            if name.startswith("Fn::"):
                raise BrokenTemplate(f"the local run does not support {name}")
        pairs = ((name, self.resolve(value)) for name, value in node.items())
        return {name: value for name, value in pairs if value is not _NO_VALUE}

    def holds(self, condition: str) -> bool:
        try:
            return bool(self.resolve(self._document["Conditions"][condition]))
        except KeyError:
            raise BrokenTemplate(f"there is no condition {condition}") from None

    def exists(self, resource: Mapping[str, Any]) -> bool:
        return "Condition" not in resource or self.holds(resource["Condition"])

    def arn(self, logical_id: str) -> str:
        kind = _ARN_KINDS.get(self._resource(logical_id)["Type"], "cloudformation:{}:{}:resource/")
        return f"arn:aws:{kind.format(REGION, ACCOUNT)}{self.name(logical_id)}"

    def name(self, logical_id: str) -> str:
        """Return a resource's name as CloudFormation makes it, without the random suffix."""
        resource = self._resource(logical_id)
        own = {TABLE: "TableName", FUNCTION: "FunctionName"}.get(resource["Type"], "")
        given = self.resolve(resource.get("Properties", {}).get(own, _NO_VALUE))
        return f"{self.stack_name}-{logical_id}" if given is _NO_VALUE else text_of(given)

    def _resource(self, logical_id: str) -> dict[str, Any]:
        resource = self._document["Resources"].get(logical_id)
        if resource is None or not self.exists(resource):
            raise BrokenTemplate(f"{logical_id} is referred to and does not exist")
        return dict(resource)

    def _ref(self, name: str) -> Any:
        if name.endswith(".Alias"):  # SAM's name for the ARN of a function's published version
            return self.arn(name.removesuffix(".Alias"))
        if name in self._parameters:
            value = self._parameters[name]
            is_list = self._document["Parameters"][name]["Type"] == "CommaDelimitedList"
            return [each.strip() for each in value.split(",")] if is_list else value
        if name in self._pseudo:
            return self._pseudo[name]
        if self._resource(name)["Type"] == QUEUE:
            return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{self.name(name)}"
        return self.name(name)

    def _get_att(self, argument: str | list[str]) -> str:
        path = argument.split(".", 1) if isinstance(argument, str) else argument
        logical_id, attribute = path
        return (
            self.arn(logical_id) if attribute == "Arn" else f"{self.name(logical_id)}.{attribute}"
        )

    def _sub(self, argument: str | list[Any]) -> str:
        text, own = (argument, {}) if isinstance(argument, str) else argument

        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            if name in own:
                return text_of(self.resolve(own[name]))
            return text_of(self._get_att(name) if "." in name else self._ref(name))

        return re.sub(r"\$\{([^}]+)\}", value, text)

    def _find_in_map(self, argument: list[Any]) -> Any:
        name, first, second = map(self.resolve, argument)
        return self._document["Mappings"][name][first][second]
