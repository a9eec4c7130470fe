"""Commands that operators run by hand: secrets, deploy, rollback and doctor."""
