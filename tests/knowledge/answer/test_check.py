from guru.knowledge.answer.check import check_answer, split_answer

QUOTES = {
    1: "The annual fee is 120 euros.",
    2: "Oxygen was discovered by Carl Wilhelm Scheele in 1771. It is a gas.",
}


async def checked(answer, quotes=QUOTES, question="What is the annual fee, and who discovered oxygen?"):
    return [(check.sentence, check.supported) for check in await check_answer(question, answer, quotes, None)]


async def test_a_claim_is_supported_by_the_quote_that_it_cites():
    answer = "The annual fee is 120 euros [1]. Carl Wilhelm Scheele discovered oxygen in 1771 [2]."
    assert await checked(answer) == [
        ("The annual fee is 120 euros.", True),
        ("Carl Wilhelm Scheele discovered oxygen in 1771.", True),
    ]


async def test_another_number_name_or_quote_does_not_support_it():
    assert await checked("The annual fee is 130 euros [1].") == [("The annual fee is 130 euros.", False)]
    assert await checked("Joseph Priestley discovered oxygen [2].") == [("Joseph Priestley discovered oxygen.", False)]
    assert await checked("The annual fee is 120 euros [2].") == [("The annual fee is 120 euros.", False)]
    assert await checked("The annual fee is not 120 euros [1].") == [("The annual fee is not 120 euros.", False)]


async def test_a_claim_without_a_citation_is_not_supported():
    assert await checked("The annual fee is 120 euros.") == [("The annual fee is 120 euros.", False)]
    assert await checked("The annual fee is 120 euros [7].") == [("The annual fee is 120 euros.", False)]
    assert await checked("The annual fee is 120 euros [1].", {}) == [("The annual fee is 120 euros.", False)]


async def test_what_claims_nothing_is_not_checked():
    assert await checked("Here is what I found: Do you want more?") == []
    assert await checked("") == []


def test_markers_stay_with_their_sentences():
    assert split_answer("One is so. [1] Two is not [2]. End") == ["One is so. [1] ", "Two is not [2]. ", "End"]
