"""`make doctor`: checks a deployment, and reports each fault with its remedy."""
