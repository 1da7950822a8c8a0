"""What BigQuery does not have, found in SQL that was compiled for it; and the same SQL, to run on DuckDB.

sqlglot's grammar is lenient: it reads `::`, FILTER and ASOF as if they were BigQuery's. So words are held
against lists as well. What needs types, the order of a struct for one, cannot be seen here.
"""

from collections.abc import Iterator
from itertools import pairwise

import sqlglot
from sqlglot import exp
from sqlglot.tokens import Token, TokenType


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Functions by GoogleSQL's own reference. One that is missing may be added after a look there.
FUNCTIONS = _set(
    """
    abs any_value array array_agg array_concat array_length avg bit_count cast ceil coalesce concat
    count countif date date_add date_diff date_sub date_trunc dense_rank div exp extract first_value
    floor format_date format_timestamp generate_array generate_timestamp_array greatest if ifnull is_inf
    is_nan
    json_query json_query_array json_value lag last_value lead least length ln logical_and logical_or lower
    max max_by md5 min min_by mod ntile nullif offset pow rank regexp_contains replace round row_number
    safe_cast safe_divide safe_offset sha256 sign sqrt starts_with stddev_samp strpos struct substr sum
    timestamp timestamp_add timestamp_diff timestamp_micros timestamp_sub timestamp_trunc
    to_hex to_json_string trim trunc unix_micros unnest upper
    """
)
# Words that a bracket may follow without being a function's name.
WORDS = _set(
    """
    all and any as between by case distinct else except exists from having in inner intersect
    interval is join left like limit not on or order over partition range right rows select then
    union using when where window with
    """
)
FOREIGN_WORDS = _set(
    """
    anti asof columns exclude filter glob ilike map positional sample semi double float4 float8
    hugeint real text timestamptz ubigint uuid varchar
    """
)
FOREIGN_SIGNS = frozenset(["::", "**", "%", "->", "->>", "==", ":="])
UNITS = _set("microsecond millisecond second minute hour day week month quarter year")


def violations(sql: str) -> list[str]:
    """What BigQuery would refuse; nothing when the SQL is right."""
    try:
        tree = sqlglot.parse_one(sql, read="bigquery")
    except sqlglot.ParseError as error:
        return [str(error).splitlines()[0]]
    return [*_words(sqlglot.tokenize(sql, read="bigquery")), *_constructs(tree)]


def _words(tokens: list[Token]) -> Iterator[str]:
    for number, (token, following) in enumerate(pairwise(tokens)):
        word = token.text.lower()
        quoted = token.token_type in (TokenType.IDENTIFIER, TokenType.STRING)
        if token.token_type == TokenType.NUMBER and "." not in token.text and int(token.text) >= 2**63:
            yield f"{token.text} is no int64"
        if quoted:
            continue
        if token.text in FOREIGN_SIGNS:
            yield f"`{token.text}`"
        if word == "interval" and tokens[number + 2].text.lower() not in UNITS:
            yield f"interval {following.text} {tokens[number + 2].text}"
        if word in FOREIGN_WORDS:
            yield word
        if (
            following.token_type == TokenType.L_PAREN
            and (word[0].isalpha() or word[0] == "_")
            and word not in WORDS
            and word not in FUNCTIONS
        ):
            yield f"function {word}"


def _constructs(tree: exp.Expression) -> Iterator[str]:
    for frame in tree.find_all(exp.WindowSpec):
        if frame.find(exp.Interval):
            yield "a range over an interval: " + frame.sql("bigquery")
    for bracket in tree.find_all(exp.Bracket):
        if bracket.args.get("offset") is None and not isinstance(bracket.this, exp.JSONExtract):
            yield "an array's element without offset(): " + bracket.sql("bigquery")
    for window in tree.find_all(exp.Window):
        aggregate = window.this
        if isinstance(aggregate, exp.ArrayAgg) and not isinstance(aggregate.this, exp.Struct | exp.Column):
            yield "array_agg over a window takes no ORDER BY, LIMIT or DISTINCT: " + aggregate.sql("bigquery")
        if aggregate.find(exp.Distinct) and window.args.get("order"):
            yield "a distinct aggregate over an ordered window: " + aggregate.sql("bigquery")
    for other in tree.find_all(exp.Filter, exp.WithinGroup, exp.Pivot):
        yield other.sql("bigquery")


def as_duckdb(sql: str) -> str:
    """The same query in DuckDB's dialect, over tables without a project or dataset."""
    tree = sqlglot.parse_one(sql, read="bigquery")
    for table in tree.find_all(exp.Table):
        table.set("db", None)
        table.set("catalog", None)
    return tree.sql("duckdb")
