import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.errors import InvalidParameter
from guru.knowledge.filters import compile_filter

DOCUMENT = {
    "document": "handbook/leave.pdf", "title": "Leave", "language": "en", "created": "2021-03-04T10:00:00Z",
    "pages": 12, "metadata": {"team": "people", "tags": ["hr", "policy"], "deep": {"level": 2}},
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
