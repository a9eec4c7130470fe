"""One module a question: each measures, and returns plain records for the report."""
