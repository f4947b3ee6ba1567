"""The query language: what each sentence means, and what an error says to type instead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.query.language import (
    EVERYTHING,
    And,
    Compare,
    Exists,
    Node,
    Not,
    Or,
    QueryError,
    Regex,
    Text,
    TimeBound,
    Value,
    check,
    parse,
)

FIELDS = {"level", "logger", "status", "path", "user_id", "trace", "exc", "process", "message"}


def _word(field: str, op: str, text: str, kind: str = "word", upper: str = "") -> Compare:
    return Compare(field, op, Value(text, kind, upper))


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ("", EVERYTHING),
        ("*", EVERYTHING),
        ("timeout", Text("timeout")),
        ("not found", And((Text("not"), Text("found")))),
        ("NOT found", Not(Text("found"))),
        ("a b OR c", Or((And((Text("a"), Text("b"))), Text("c")))),
        ("a AND (b OR c)", And((Text("a"), Or((Text("b"), Text("c")))))),
        ('"connection refused"', Text("connection refused")),
        (r'"say \"hi\" \\ C:\dir"', Text('say "hi" \\ C:\\dir')),
        ("level>=error -health", And((_word("level", ">=", "error"), Not(Text("health"))))),
        ("logger:shop.*", _word("logger", ":", "shop.*", "glob")),
        ("level:(warning,error)", Or((_word("level", ":", "warning"), _word("level", ":", "error")))),
        ("level:(warning OR error)", Or((_word("level", ":", "warning"), _word("level", ":", "error")))),
        ("status:400..499", _word("status", ":", "400", "range", "499")),
        ("status!=200", Not(_word("status", "=", "200"))),
        ("-user_id:*", Not(Exists("user_id"))),
        ("pid:4121", _word("process", ":", "4121")),
        (r"re:/order \d{6} a\/b/i", Regex(r"order \d{6} a/b", "i")),
        ("since:03:00", TimeBound("since", Value("03:00"))),
        ("mark:deploy-41", TimeBound("since", Value("mark:deploy-41"))),
        ("10:23:45", Text("10:23:45")),
        ("well-known", Text("well-known")),
        ("--flag", Text("--flag")),
        ("gl*b", Text("gl*b", glob=True)),
    ],
)
def test_a_query_means(query: str, tree: Node) -> None:
    """The grammar, sentence by sentence."""
    assert parse(query) == tree


@pytest.mark.parametrize(
    ("query", "column", "says"),
    [
        ("a OR", 3, 'Nothing after "OR"'),
        ("(a OR", 4, '"(" at column 1 is not closed'),
        ("(a", 1, "not closed"),
        ("a)", 2, "closes nothing"),
        ("OR b", 1, 'Nothing before "OR"'),
        ("NOT", 1, 'Nothing after "NOT"'),
        ('say "hi', 5, "not closed"),
        ("re:/a(b/", 6, "unterminated subpattern"),
        ("re:/ab", 1, 'no closing "/"'),
        ("re:/a/x", 7, 'No flag "x"'),
        ("ValueError: bad", 1, '"ValueError: bad"'),
        ("f(x)", 2, '"f(x)"'),
        ("level:", 1, 'Nothing after "level:"'),
        ("level>er*", 7, "level:er*"),
        ("level:eror", 7, "Did you mean error?"),
        ("loger:shop", 1, "Did you mean logger?"),
        ("http://host/x", 1, '"http://host/x"'),
        ("x https://host", 3, '"https://host"'),
        ('{app="x"} |= "401"', 1, "Try: app:x 401"),
        ("()", 1, "Nothing between"),
    ],
)
def test_an_error_shows_the_place_and_what_to_type(query: str, column: int, says: str) -> None:
    """A person at night must not have to look up a grammar."""
    with pytest.raises(QueryError) as caught:
        check(parse(query), query, FIELDS.__contains__, FIELDS)
    assert says in str(caught.value)
    assert caught.value.column == column
    line, marks = caught.value.picture().split("\n")
    assert marks.index("^") - 2 == column - 1 and len(line) >= len(marks)


@given(st.text(alphabet='ab:"()-*./\\re=<>! OR', max_size=20))
def test_any_text_is_a_query_or_an_error_with_a_place(query: str) -> None:
    """Never a traceback, and never a column outside of the query."""
    try:
        parse(query)
    except QueryError as error:
        assert 1 <= error.column <= len(query) + 1
        assert error.picture()
