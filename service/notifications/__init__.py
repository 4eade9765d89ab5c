"""Telling others: signed webhooks with retries and a dead-letter list, and an Atom feed of status changes."""
