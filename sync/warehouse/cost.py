"""Bytes and money: what a query would scan, what that costs, and how many bytes a person allows."""

import os
import re
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from sync.errors import FsyncError

PRICE_VARIABLE = "FSYNC_BIGQUERY_PRICE_PER_TIB"
DEFAULT_PRICE = "6.25"
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgtp]?)(i?)b?", re.IGNORECASE)
_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]


class Estimate(NamedTuple):
    """Of a query, by a dry run; `usd` at the on-demand price."""

    bytes: int
    usd: float

    def __str__(self) -> str:
        return f"{format_bytes(self.bytes)}, USD {self.usd:.4f}"


def estimate(scanned: int) -> Estimate:
    return Estimate(scanned, float(price_per_tib() * scanned / 2**40))


def price_per_tib() -> Decimal:
    text = os.environ.get(PRICE_VARIABLE) or DEFAULT_PRICE
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal(-1)
    if not price.is_finite() or price < 0:
        raise FsyncError(f"{PRICE_VARIABLE} is '{text}'; it must be USD per TiB, 6.25 for example")
    return price


def parse_bytes(given: "str | int", where: str) -> int:
    """`10GB` is 10 ** 10 bytes, `10GiB` 10 * 2 ** 30, a number without a unit bytes; 0 is no limit."""
    found = _SIZE.fullmatch(str(given).strip())
    if found is None:
        raise FsyncError(f"{where} is '{given}'; it must be a number of bytes, 10GB or 500MiB for example")
    number, unit, binary = found.groups()
    power = "kmgtp".index(unit.lower()) + 1 if unit else 0
    return int(Decimal(number) * (1024 if binary else 1000) ** power)


def format_bytes(count: int) -> str:
    power = min((max(count, 1).bit_length() - 1) // 10, len(_UNITS) - 1)
    return f"{count / 1024**power:.1f} {_UNITS[power]}" if power else f"{count} B"
