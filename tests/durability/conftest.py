"""Databases for real processes that are killed, starved and lied to."""

from databases import database_url, postgres_admin

__all__ = ["database_url", "postgres_admin"]
