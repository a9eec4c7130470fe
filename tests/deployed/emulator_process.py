"""ministack, with a place for those resources of the template that it has no service for.

These are made and deleted in name only. So an alias shifts at once, without CodeDeploy.
"""

from local.emulator_process import listen, run

NAMES_ALONE = (
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::Logs::QueryDefinition",
)


def _make(logical_id, _properties, stack_name):
    return f"{stack_name}-{logical_id}", {}


def _change(physical_id, _former, _properties, _stack_name):
    return physical_id, {}


def main():
    listener = listen()
    # It reads its port from the environment when it is imported, and mypy does not see it.
    from ministack.services.cloudformation import (  # type: ignore[import-not-found]  # noqa: PLC0415 - see above
        provisioners,
    )

    for kind in NAMES_ALONE:
        provisioners._RESOURCE_HANDLERS.setdefault(  # noqa: SLF001 - there is no public interface
            kind, {"create": _make, "update": _change, "delete": lambda *_: None}
        )
    run(listener)


if __name__ == "__main__":
    main()
