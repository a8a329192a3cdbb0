"""Recorded sessions, played again."""
