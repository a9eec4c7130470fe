"""Reads template.yaml as CloudFormation does: for the local run, the operations and the tests."""
