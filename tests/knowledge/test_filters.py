from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.errors import InvalidParameter
from guru.knowledge.dates import read_date
from guru.knowledge.filters import compile_filter

DOCUMENT = {
    "document": "handbook/leave.pdf", "title": "Leave", "language": "en", "created": "2021-03-04T10:00:00Z",
    "pages": 12, "ingested_at": 1700000000.0,
    "metadata": {
        "team": "people", "tags": ["hr", "policy"], "deep": {"level": 2}, "signed": "2021-03-05T06:30:00+01:00",
        "version": "10", "owner_name": "Zo\u00e9 Berg",
    },
}  # fmt: skip


@pytest.mark.parametrize(
    "filter",
    [
        {},
        {"document": "handbook/leave.pdf"},
        {"document": {"prefix": "handbook/"}},
        {"language": {"in": ["de", "en"]}},
        {"created": {"gte": "2020-01-01", "lt": "2022"}},
        {"pages": {"gt": 10, "lte": 12}},
        {"metadata.team": "people", "metadata.deep.level": 2},
        {"metadata.tags": "policy"},
        {"metadata.owner": {"exists": False}},
        {"metadata.owner": {"ne": "Kim"}},
        {"or": [{"language": "de"}, {"title": "Leave"}]},
        {"not": {"and": [{"language": "en"}, {"title": "Other"}]}},
        {"created": "2021-03"},
        {"created": {"in": ["2020", "2021"]}},
        {"created": {"lte": "2021", "gte": "2021-03-04T12:00+02:00"}},
        {"created": {"gt": "2021-03-04T09:59", "ne": "2021-03-05"}},
        {"modified": {"ne": "2021"}},
        {"ingested_at": {"gte": "2023-11-14", "lt": 1700000001}},
        {"ingested_at": {"in": [1700000000.0]}},
        {"metadata.signed": {"gte": "2021-03-04T23:00-05:00", "lt": "2021-03-06"}},
        {"metadata.version": {"gte": 9, "lt": 10.5}},
        {"metadata.tags": {"contains": "hr"}},
        {"metadata.tags": {"contains": ["policy", "hr"]}},
        {"metadata.tags": {"icontains": "HR"}},
        {"title": {"contains": "eav"}},
        {"title": {"ieq": "LEAVE"}, "document": {"iprefix": "Handbook/"}},
        {"metadata.owner_name": {"icontains": ["ZOE\u0301", "berg"]}},
    ],
)
def test_a_document_passes(filter):
    assert compile_filter(filter)(DOCUMENT)


@pytest.mark.parametrize(
    "filter",
    [
        {"language": "de"},
        {"created": {"lt": "2021"}},
        {"pages": {"gt": "10"}},
        {"author": {"gte": ""}},
        {"metadata.team.name": "people"},
        {"metadata.tags": {"ne": "hr"}},
        {"title": {"exists": False}},
        {"not": {"language": "en"}},
        {"created": "2021-04"},
        {"created": {"gt": "2021"}},
        {"created": {"lt": "2021-03-04T12:00+02:00"}},
        {"modified": {"gte": "1900"}},
        {"ingested_at": {"lt": "2023-11-14"}},
        {"metadata.signed": {"lte": "2021-03-04"}},
        {"metadata.version": {"gt": 10}},
        {"metadata.version": {"gt": "9.5"}},
        {"metadata.tags": {"contains": ["hr", "law"]}},
        {"metadata.tags": {"contains": "polic"}},
        {"title": {"contains": "leave"}},
        {"pages": {"contains": 1}},
        {"title": {"ieq": "Leav"}},
    ],
)
def test_a_document_does_not_pass(filter):
    assert not compile_filter(filter)(DOCUMENT)


@pytest.mark.parametrize(
    ("filter", "named"),
    [
        ({"language": {"like": "e%"}}, "prefix"),
        ({"colour": "red"}, "language"),
        ({"language": {}}, "language"),
        ({"language": {"in": "en"}}, "in"),
        ({"created": {"gte": None}}, "gte"),
        ({"created": {"gte": "yesterday"}}, "2021-03-04T10:00Z"),
        ({"created": {"lt": "2021-02-30"}}, "created"),
        ({"modified": 2021}, "modified"),
        ({"created": {"in": ["2021", "soon"]}}, "soon"),
        ({"title": {"ieq": 7}}, "ieq"),
        ({"title": {"contains": []}}, "contains"),
        ({"or": []}, "or"),
        ("language = en", "object"),
        ({"and": ["x"]}, "object"),
    ],
)
def test_a_wrong_filter_says_what_is_known(filter, named):
    with pytest.raises(InvalidParameter) as caught:
        compile_filter(filter)
    assert named in str(caught.value)
    assert caught.value.param == "filter"


scalars = st.one_of(st.none(), st.booleans(), st.integers(0, 3), st.sampled_from(["a", "ab", "b"]))
documents = st.fixed_dictionaries(
    {"title": scalars, "pages": scalars, "metadata": st.fixed_dictionaries({"k": scalars})}
)
conditions = st.tuples(st.sampled_from(["title", "pages", "metadata.k"]), st.sampled_from(["eq", "ne"]), scalars)


@given(documents, st.lists(conditions, min_size=1, max_size=3), st.sampled_from(["and", "or"]))
def test_equality_is_that_of_python_and_absent_equals_nothing(document, conditions, join):
    def holds(field, operator, operand):
        value = document["metadata"]["k"] if field == "metadata.k" else document[field]
        equal = value is not None and value == operand
        return equal if operator == "eq" else not equal

    joined = {join: [{field: {operator: operand}} for field, operator, operand in conditions]}
    expected = (all if join == "and" else any)(holds(*condition) for condition in conditions)
    assert compile_filter(joined)(document) == expected
    assert compile_filter({"not": joined})(document) != expected


# --------------------------------------------------------------------------- dates


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2021", "2021-01-01T00:00:00", "2022-01-01T00:00:00"),
        ("2021-12", "2021-12-01T00:00:00", "2022-01-01T00:00:00"),
        ("2024-2-29", "2024-02-29T00:00:00", "2024-03-01T00:00:00"),
        ("2021-03-04T10:00", "2021-03-04T10:00:00", "2021-03-04T10:01:00"),
        ("2021-03-04 10:00:05+0200", "2021-03-04T08:00:05", "2021-03-04T08:00:06"),
        ("2021-03-04T00:30:00-05", "2021-03-04T05:30:00", "2021-03-04T05:30:01"),
        ("2021-03-04T10:00:00.25Z", "2021-03-04T10:00:00.250000", "2021-03-04T10:00:00.250001"),
        ("9999", "9999-01-01T00:00:00", "9999-12-31T23:59:59.999999"),
    ],
)
def test_a_date_is_the_span_that_it_names(text, start, end):
    span = read_date(text)
    assert [moment.isoformat() for moment in span] == [f"{start}+00:00", f"{end}+00:00"]


@pytest.mark.parametrize(
    "text",
    ["", "21", "2021-13", "2021-02-30", "2021-03-04T25:00", "0000", "2021-03-04T10", "1.5", "\u0662\u0660\u0662\u0661",
     None, 7, "0001-01-01T00:00+05:00", "2021-03-04T10:00+99:00"],
)  # fmt: skip
def test_what_is_no_date_is_none(text):
    assert read_date(text) is None


FIRST, LAST = datetime.fromisoformat("0001-01-03"), datetime.fromisoformat("9999-12-28")
moments = st.datetimes(min_value=FIRST, max_value=LAST, timezones=st.timezones())
precisions = st.sampled_from(["%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])


def written(moment, precision):
    return moment.astimezone(UTC).strftime(precision.replace("%Y", f"{moment.astimezone(UTC).year:04d}"))


@given(moments, moments, precisions)
def test_every_moment_is_before_in_or_after_a_span_and_nowhere_else(moment, other, precision):
    document, operand = {"created": moment.isoformat()}, written(other, precision)
    if read_date(moment.isoformat()) is None:
        return  # a zone with seconds in its offset, of the time before there were zones

    def passes(operator):
        return compile_filter({"created": {operator: operand}})(document)

    assert [passes("lt"), passes("eq"), passes("gt")].count(True) == 1
    assert passes("gte") != passes("lt")
    assert passes("lte") != passes("gt")
    assert passes("ne") != passes("eq")
    assert passes("eq") == (written(moment, precision) == operand)
    assert passes("lt") == (written(moment, precision) < operand)


@given(moments, precisions)
def test_the_zone_that_a_date_is_written_in_does_not_matter(moment, precision):
    here = moment.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()
    there = moment.astimezone(timezone(timedelta(hours=-8))).isoformat()
    condition = compile_filter({"metadata.at": {"gte": written(moment, precision)}})
    assert condition({"metadata": {"at": here}})
    assert condition({"metadata": {"at": there}})


words = st.sampled_from(["hr", "HR", "law", "Law", "straße", "STRASSE", "tax"])


@given(st.lists(words, max_size=4), st.lists(words, min_size=1, max_size=3))
def test_a_list_contains_what_is_in_it_by_case_or_whatever_the_case(items, wanted):
    document = {"metadata": {"tags": items}}
    assert compile_filter({"metadata.tags": {"contains": wanted}})(document) == (set(wanted) <= set(items))
    folded = {item.casefold() for item in items}
    expected = {item.casefold() for item in wanted} <= folded
    assert compile_filter({"metadata.tags": {"icontains": wanted}})(document) == expected


@given(st.integers(), st.integers())
def test_a_number_that_is_written_as_text_compares_as_one(value, operand):
    for shown in (value, str(value)):
        for operator, holds in (("lt", value < operand), ("gte", value >= operand)):
            condition = compile_filter({"metadata.n": {operator: operand}})
            if isinstance(shown, int) or abs(value) < 2**53:
                assert condition({"metadata": {"n": shown}}) == holds
