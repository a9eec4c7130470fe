"""How fast and how cheap the backend is, beside what one would use instead: `make bench`."""
