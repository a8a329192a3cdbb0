"""Bytes at rest, for services and offline alike."""
