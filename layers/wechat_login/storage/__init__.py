"""DynamoDB and SSM: items, locks, parameters, and values that are encrypted at rest."""
