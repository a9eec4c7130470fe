"""App tokens that other services verify, and the keys that sign them."""
