"""Credentials: registering, reading, searching and looking up; and the VCALM endpoints that issue and verify."""
