"""Everything the login functions share: WeChat, users, sessions, tokens and the HTTP edge."""
