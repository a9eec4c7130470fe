"""The whole backend on one machine: nothing here runs in AWS."""
