"""Reads each function's permissions in the translated template, and compares them with use."""

import itertools

from tests.support.translated import resolver
from tests.support.written import stack

FUNCTIONS = sorted(stack().functions)


def statements(policy, resolve):
    """Return each (action, resource) that a policy allows; reject all but a plain Allow."""
    for statement in resolve(policy)["Statement"]:
        assert set(statement) <= {"Effect", "Action", "Resource", "Condition"}, statement
        assert statement["Effect"] == "Allow"
        actions, resources = statement["Action"], statement["Resource"]
        keys = statement.get("Condition", {}).get("ForAllValues:StringLike", {})
        of_keys = "".join(f" {each}" for each in keys.get("dynamodb:LeadingKeys", []))
        for action, resource in itertools.product(
            actions if isinstance(actions, list) else [actions],
            resources if isinstance(resources, list) else [resources],
        ):
            yield action, resource + of_keys


def granted(function, document):
    """Return the permissions of a function's own policies."""
    resolve = resolver(document)
    role = document["Resources"][f"{function}Role"]["Properties"]
    return {
        pair
        for policy in role.get("Policies", [])
        for pair in statements(policy["PolicyDocument"], resolve)
    }


def without_narrower(pairs):
    """Leave out permissions on some keys of a table that is also used, or granted, as a whole."""
    return {
        (action, on)
        for action, on in pairs
        if (action, on.partition(" ")[0]) not in pairs - {(action, on)}
    }


def differences(used, document):
    """Return the missing and the unused permissions of a function."""
    found = []
    for function in FUNCTIONS:
        did = without_narrower(used.get(function, set()))
        may = granted(function, document)
        found += [f"{function} used {each} and may not" for each in sorted(did - may)]
        found += [f"{function} may {each} and never did" for each in sorted(may - did)]
    return found
