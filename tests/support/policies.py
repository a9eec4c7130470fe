"""Reads what the translated template allows each function, and compares it with what was used."""

import itertools

from tests.support.translated import resolver
from tests.support.written import stack

FUNCTIONS = sorted(stack().functions)


def statements(policy, resolve):
    """Give each (action, resource) that a policy allows; anything but a plain Allow is refused."""
    for statement in resolve(policy)["Statement"]:
        assert set(statement) <= {"Effect", "Action", "Resource", "Condition"}, statement
        assert statement["Effect"] == "Allow"
        actions, resources = statement["Action"], statement["Resource"]
        yield from itertools.product(
            actions if isinstance(actions, list) else [actions],
            resources if isinstance(resources, list) else [resources],
        )


def granted(function, document):
    """Give what a function's own policies allow it."""
    resolve = resolver(document)
    role = document["Resources"][f"{function}Role"]["Properties"]
    return {
        pair
        for policy in role.get("Policies", [])
        for pair in statements(policy["PolicyDocument"], resolve)
    }


def differences(used, document):
    """Tell what a function has used and may not, and what it may and has not used."""
    found = []
    for function in FUNCTIONS:
        did, may = used.get(function, set()), granted(function, document)
        found += [f"{function} used {each} and may not" for each in sorted(did - may)]
        found += [f"{function} may {each} and never did" for each in sorted(may - did)]
    return found
