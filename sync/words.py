def counted(number: int, noun: str, several: str | None = None) -> str:
    """`1 row`, `2,000 rows`; `several` where that is not the noun and an s."""
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"
