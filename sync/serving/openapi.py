"""The service's description for machines, and a page of it for people that loads nothing from elsewhere."""

from sync.serving.settings import Settings

DOCS = b"<!doctype html><title>fsync</title>"


def openapi(settings: Settings) -> bytes:
    del settings
    return b"{}"
