"""WeChat's server API: requests, the access token, message pushes, phone numbers."""
