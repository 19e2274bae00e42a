"""The words of topics: those that tell them apart, as people write them."""

from guru.knowledge.around.labels import Text, name_topics, words


def topic(*texts, language="en"):
    return [Text(str(number), language, text) for number, text in enumerate(texts)]


def test_words_that_all_topics_have_name_none():
    pumps = topic("The company oils the pump.", "A pump of the company leaks.", "Pumps need oil, the company says.")
    tea = topic("The company sells tea.", "Tea leaves of the company.", "The company picks tea leaves by hand.")
    first, second = name_topics([pumps, tea])
    assert first[0] == "pump"
    assert second[0] == "tea"
    assert "tea" not in first
    assert "company" not in (first[0], second[0])


def test_forms_of_a_word_are_one_and_no_stem_is_shown():
    (found,) = name_topics(
        [topic("Batteries are charged.", "The batteries charge.", "Old batteries, charged batteries.")]
    )
    assert found.count("batteries") == 1
    assert not {"batteri", "charg", "battery"} & set(found)


def test_names_keep_their_capitals_and_other_words_lose_them():
    texts = topic("Oracle sold NATO a database.", "Databases of Oracle run at NATO.", "Database makers: Oracle.")
    (found,) = name_topics([texts])
    assert {"Oracle", "NATO", "database"} <= set(found)


def test_what_one_document_says_again_and_again_does_not_name_the_topic():
    noise = "xqz " * 300
    (found,) = name_topics([topic("The ferry sails.", "A ferry lands.", f"The ferry waits. {noise}")])
    assert found[0] == "ferry"


def test_stop_words_numbers_addresses_and_markup_are_no_words():
    text = "It was said on 12 May 2020 at https://example.com/a/b that <b>nothing</b> &amp; die Pumpe des Hauses…"
    found = {word.lower() for word in words(text)}
    assert {"pumpe", "hauses", "nothing"} <= found
    assert not {"was", "the", "die", "des", "2020", "https", "example", "amp"} & found


def test_scripts_without_spaces_have_words_too():
    (found,) = name_topics([topic("机器学习模型", "机器学习方法", language="zh")])
    assert "机器" in found
    assert name_topics([topic("…", "1234")]) == [[]]
