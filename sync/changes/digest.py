from hashlib import sha256
from importlib.metadata import version

# Goes into every fingerprint: a new algorithm, or another sqlglot, compares with nothing of before.
ALGORITHM = 2
SQLGLOT = version("sqlglot")


def fingerprint(*parts: str) -> str:
    return sha256("\x1f".join([str(ALGORITHM), SQLGLOT, *parts]).encode()).hexdigest()[:16]
