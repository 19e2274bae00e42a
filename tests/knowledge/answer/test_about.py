"""Which documents a question names."""

from guru.knowledge.answer.about import Subjects, about
from guru.knowledge.answer.words import content
from guru.types import Hit

QUESTION = frozenset(content("What were the net sales of Halvorsen Foods?"))


def hit(document, title=None, text="Net sales | 1"):
    return Hit(rank=1, score=0.5, document=document, document_id=document, chunk_id=1, page=None, start=0,
               end=len(text), text=text, title=title)  # fmt: skip


def test_a_document_is_about_the_words_of_its_name_and_title():
    assert about(hit("reports/ORACLE_2018_10K.pdf", "Annual report"), "en") >= {"oracl", "annual", "report"}
    assert not about(hit("2018-07.csv"), "en")


def test_a_question_that_names_one_company_is_not_of_the_other():
    one, other = hit("HALVORSEN_2021.pdf"), hit("BRIGHTWELL_2021.pdf")
    subjects = Subjects(QUESTION, [one, other], "en")
    assert subjects.elsewhere(one, frozenset()) == 0.0
    assert subjects.elsewhere(other, frozenset()) == 1.0
    # A passage that speaks of the company itself may answer, whatever it stands in.
    assert subjects.elsewhere(other, frozenset({"halvorsen"})) == 0.0


def test_what_all_documents_are_called_tells_none_apart():
    hits = [hit("net_sales_north.csv"), hit("net_sales_south.csv")]
    subjects = Subjects(QUESTION, hits, "en")
    assert [subjects.elsewhere(each, frozenset()) for each in hits] == [0.0, 0.0]
    # Neither do words that nearly all have.
    many = [*(hit(f"net_sales_{place}.csv") for place in "abcdefgh"), hit("report.csv")]
    assert Subjects(QUESTION, many, "en").elsewhere(many[-1], frozenset()) < 0.5
    assert Subjects(QUESTION, [], "en").elsewhere(hits[0], frozenset()) == 0.0
