"""Users: their sessions, their phone numbers, and the look-ups that operators need."""
