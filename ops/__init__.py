"""What a small team runs by hand: secrets, doctor, and what `make deploy` needs to know."""
