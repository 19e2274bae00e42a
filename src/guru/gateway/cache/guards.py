"""When a question may be answered with the answer to another one, besides being near to it.

Vectors place "the capital of France" beside "the capital of Germany", and "with sugar" beside "without sugar". So
what decides is compared as words: numbers, names, quotations, negations and everything else that is not a way of
asking. And some questions are never shared: those that depend on the moment, on the person, or on chance.
"""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Final

from guru.types import ChatRequest, Message

_words = tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))
NEGATION: Final = frozenset(_words["negations"].split())
ASKING: Final = frozenset(_words["asking"].split())
OPPOSED: Final = tuple(frozenset(pair.split("/")) for pair in _words["opposed"].split())
LONGEST: Final = 600
"""Characters; a longer text is cut by the embedder, and two such are hardly ever the same."""

# fmt: off
MOMENT: Final = re.compile(
    # English
    r"\b(?:now|nowadays|today\w*|tonight|tomorrow\w*|yesterday\w*|current(?:ly)?|latest|newest|recent(?:ly)?|upcoming"
    r"|at the moment|so far|(?:this|last|next|past|coming) (?:\w+ )?(?:second|minute|hour|day|week|weekend|month"
    r"|quarter|season|year|decade|century|morning|afternoon|evening|night|monday|tuesday|wednesday|thursday|friday"
    r"|saturday|sunday|spring|summer|autumn|fall|winter)s?|ago|yet|still|what time|what day|what date|weather|news"
    r"|forecast|stock price|exchange rate|breaking|live score|as of)\b"
    # German, French, Spanish, Italian, Portuguese, Dutch
    r"|\b(?:heute|jetzt|gestern|gerade|aktuell\w*|derzeit\w*|neueste\w*|diese[rsmn]? (?:woche|monat|jahr)|wetter)\b"
    r"|\b(?:aujourd.?hui|maintenant|hier|demain|actuel\w*|récent\w*|derni[eè]re?s?|cette (?:semaine|année)|météo)\b"
    r"|\b(?:hoy|ahora|ayer|mañana|actual\w*|últim[oa]s?|reciente\w*|est[ea] (?:semana|mes|año)|clima)\b"
    r"|\b(?:oggi|adesso|ora|ieri|domani|attual\w*|ultim[oaie]|recent[ei]|quest[oa] (?:settimana|mese|anno))\b"
    r"|\b(?:hoje|agora|ontem|amanhã|atual\w*|est[ea] (?:semana|mês|ano)|vandaag|nu|gisteren|morgen|huidige|laatste)\b"
    # Polish, Turkish, Russian, Ukrainian
    r"|\b(?:dzisiaj|dziś|teraz|wczoraj|jutro|obecn\w*|ostatni\w*|bugün|şimdi|dün|yarın|şu an\w*|güncel|son)\b"
    r"|\b(?:сегодня\w*|сейчас|вчера\w*|завтра\w*|текущ\w*|последн\w*|свеж\w*|нынешн\w*|погод\w*|сьогодні|зараз|вчора)\b"
    # Chinese, Japanese, Korean, Hindi, Arabic
    r"|今天|今日|现在|現在|目前|当前|當前|昨天|昨日|明天|明日|最新|最近|今年|本周|本月|刚才|天气|今週|今月|さっき|天気"
    r"|오늘|지금|현재|어제|내일|최신|최근|올해|이번|날씨|आज|अभी|कल|वर्तमान|नवीनतम|اليوم|الآن|أمس|غدا|الحالي|أحدث",
    re.IGNORECASE,
)
"""What depends on when it is asked. A year that is named does not."""
POINTING: Final = re.compile(
    r"\b(?:this|these|those|that one|above|below|previous(?:ly)?|earlier|before that|aforementioned|following"
    r"|he|him|his|she|her|hers|they|them|their|theirs|it|its|same thing|continue|go on|again|instead|you said"
    r"|the (?:first|second|third|last|former|latter|other) (?:one|option|point|part|answer))\b"
    r"|\b(?:dies|diese[rsmn]?|jene[rsmn]?|ceci|cela|celui|esto|eso|questo|quello|isto|isso)\b"
    r"|\b(?:это|этот|эта|эти|того)\b|这个|那个|上面|これ|それ|あれ|이것|그것",
    re.IGNORECASE,
)
"""What points to something that the question does not have: a conversation, a document."""
EMPTY_IT: Final = re.compile(
    r"\b(?:is|was|does|did|can|could|would|will|should|that|if|makes?|do)\s+it\s+(?:is\s+)?(?:possible|safe|legal|illegal"
    r"|ok(?:ay)?|bad|good|better|best|worth|normal|true|necessary|important|wrong|rude|healthy|unhealthy|dangerous"
    r"|hard|difficult|easy|expensive|cheap|called|take|cost to|mean (?:if|when|to|that)|hurt|rain|snow|to)\b"
    r"|\bit takes?\b",
    re.IGNORECASE,
)
"""An `it` that points to nothing."""
CHANCE: Final = re.compile(
    r"\b(?:random\w*|surprise me|roll (?:a|the) dic?e|flip a coin|lottery|pick (?:a|any|one)|another one|uuid|password"
    r" (?:for me|generator)|joke|poem|story|zufällig\w*|al[ée]atoire|aleatori\w*|случайн\w*|随机|ランダム)\b",
    re.IGNORECASE,
)
"""Where another answer than the last one is wanted."""
PERSON: Final = re.compile(
    r"\b(?:what(?:'s|’s| is| are| was)?|when(?:'s|’s| is| are| was)?|where(?:'s|’s| is| are| did)?|which|show(?: me)?"
    r"|list|check|track|find|read|open|is|are|has|have|did|does|do i have|how (?:old|much|many)(?: is| are)?) my\b"
    r"|\b(?:my (?:name|age|birthday|location)|who am i|where am i|how old am i|about me|remember me|near me|nearby"
    r"|around here|in my (?:area|city|town|country))\b",
    re.IGNORECASE,
)
"""What depends on who asks."""

QUESTIONS: Final = re.compile(
    r"\b(?:do|does|can|could|would|will) (?:you|anyone|anybody|someone|somebody) (?:please |kindly )?"
    r"(?:know|tell|explain|describe|help|give|show|list|define|recommend|suggest|summari[sz]e)\b"
    r"|\bdiffer\w*|\blike\b|\bfeel\b",
    re.IGNORECASE,
)
"""Where the first word does not say what is asked for."""
MEANS: Final = re.compile(
    r"\bhow\b|\b(?:way|step|method|process|procedure|approach|technique|tip|strateg|trick)(?:s|es|y|ies)?\b"
    r"|\bwhat (?:can|could|do|must|shall|should|would) (?:i|one|we|you) do (?:to|for|about|if|when)\b",
    re.IGNORECASE,
)
"""What asks how to do something."""
MEASURE: Final = re.compile(
    r"\bhow (?:many|much|long|far|old|tall|big|deep|often|fast|high|heavy|wide|large|hot|cold|late|early|soon)\b",
    re.IGNORECASE,
)
"""What asks for a number: its words say of what."""
WHETHER: Final = re.compile(
    r"\W*(?:am|are|is|was|were|do|does|did|can|could|may|might|must|shall|should|will|would|has|have|had)\b",
    re.IGNORECASE,
)
DEGREE: Final = re.compile(
    r"\bhow (?!to|come|about|am|are|is|was|were|do|does|did|can|could|may|might|must|shall|should|will|would|has|have"
    r"|had|i|one|we|you|people)\w+",
    re.IGNORECASE,
)
TOLD: Final = re.compile(r"\b(?:did|have|had|were|was) you\b|\byou(?:['’]ve| have| had| did| were)\b", re.IGNORECASE)
"""What asks for somebody's own story, where `How do you` asks for a way."""
IMPERSONAL: Final = re.compile(
    r"\b(?:can|could|should|does|do|would|did|how|if|when) one\b|\bone (?:of|can|could|should|would|has|must)\b",
    re.IGNORECASE,
)
"""A `one` that counts nothing."""

WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*(?:[.,:/-][^\W_]+)*[+#%°]*", re.UNICODE)
QUOTED: Final = re.compile(r"\"([^\"]+)\"|“([^”]+)”|«([^»]+)»|`([^`]+)`|(?<!\w)'([^']+)'(?!\w)|「([^」]+)」")
NUMBERS: Final = {
    word: str(number)
    for number, words in enumerate((
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
        "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
    ))
    for word in words.split()
} | {
    "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "hundred": "100", "thousand": "1000",
    "million": "1000000", "billion": "1000000000", "half": "0.5", "first": "1st", "second": "2nd", "third": "3rd",
    "twice": "2x", "double": "2x", "triple": "3x", "dozen": "12",
}
# fmt: on
ORDERED: Final = re.compile(
    r"\b(?:from|into|than|over|under|before|after|minus|divided|beats?|by(?! whom))\b"
    r"|\b(?:convert|conver[st]\w*|translat\w+|chang\w+|turn|send|transfer\w*|migrat\w+|mov\w+|upgrad\w+|flights?|fly"
    r"|map|cast|compar\w+)\b.*\bto\b",
    re.IGNORECASE,
)
"""Words around which order decides: from dollars to euros."""
SYMMETRIC: Final = re.compile(r"\b(?:differ\w*|between|compar\w+|versus|vs|and|or|both|distance)\b", re.IGNORECASE)
"""Where two names may change places."""
SUFFIXES: Final = ("ations", "ation", "ings", "ing", "ments", "ment", "ies", "ers", "ed", "es", "er", "ly", "s", "e")


def question_of(request: ChatRequest) -> tuple[str, list[Message]] | None:
    """The question and what comes in front of it, if it may be shared with questions that mean the same.

    It may when it is one question, in plain text, after nothing but instructions, and no answer of several.
    """
    *before, last = request.messages or [Message(role="user")]
    if last.role != "user" or request.n != 1 or any(message.role not in {"system", "developer"} for message in before):
        return None
    if not isinstance(last.content, str) or request.logprobs or not may_be_shared(last.content):
        return None
    return last.content, before


def may_be_shared(question: str) -> bool:
    """Whether the answer depends on the question alone."""
    if not question.strip() or len(question) > LONGEST:
        return False
    if MOMENT.search(question) or CHANCE.search(question) or PERSON.search(question):
        return False
    return POINTING.search(EMPTY_IT.sub(" ", question)) is None


def same_question(one: str, other: str) -> bool:
    """Whether two near questions ask for the same: nothing that decides differs."""
    a, b = facts(one), facts(other)
    if a.negations != b.negations or a.quoted != b.quoted or a.numbers != b.numbers or a.passive != b.passive:
        return False
    if any((a.words & pair) != (b.words & pair) and (a.words | b.words) >= pair for pair in OPPOSED):
        return False
    if a.deciding != b.deciding or (a.kind != b.kind and a.kind and b.kind):
        return False
    # The same words in another order, around a word for which order counts, or names that changed places.
    if a.order != b.order and (ORDERED.search(one) or ORDERED.search(other)):
        return False
    if a.names == b.names or a.order == b.order or one.islower() or other.islower():
        return True
    # "Japan's GDP" for "the GDP of Japan", and what is between two.
    return a.possessive != b.possessive or bool(SYMMETRIC.search(one) and SYMMETRIC.search(other))


class Facts:
    """What decides in a question."""

    __slots__ = (
        "deciding",
        "kind",
        "names",
        "negations",
        "numbers",
        "order",
        "passive",
        "possessive",
        "quoted",
        "words",
    )

    def __init__(self, question: str) -> None:
        spelled = [word.replace("’", "'") for word in WORD.findall(question)]
        found = [word.casefold() for word in spelled]
        self.words = frozenset(found)
        self.kind = kind_of(question)
        self.negations = sum(word in NEGATION for word in found)
        self.possessive = any(word[:1].isupper() and word.endswith("'s") for word in spelled[1:])
        self.passive = "by" in self.words and "by whom" not in question.casefold()
        self.quoted = frozenset("".join(groups).casefold() for groups in QUOTED.findall(question))
        impersonal = IMPERSONAL.search(question) is not None
        self.numbers = tuple(
            NUMBERS.get(word, word)
            for word in found
            if word in NUMBERS or any(map(str.isdigit, word))
            if not (impersonal and word == "one")
        )
        shouted = question.isupper()
        kept = [
            (word, low)
            for word, low in zip(spelled, found, strict=True)
            if (low not in ASKING or (is_acronym(word) and not shouted))
            and low not in NEGATION
            and low not in NUMBERS
            and not any(map(str.isdigit, low))
        ]
        self.order = tuple(low if is_acronym(word) else stem(low) for word, low in kept)
        self.deciding = tuple(sorted(self.order))
        self.names = tuple(low.removesuffix("'s") for word, low in kept if word[0].isupper() and word != spelled[0])


@lru_cache(4096)
def facts(question: str) -> Facts:
    return Facts(question)


def kind_of(question: str) -> str:
    """What an English question asks for: whether, how, to what degree, what, or a story.

    Empty where that is not plain, as in other languages.
    """
    if QUESTIONS.search(question) or MEASURE.search(question):
        return ""
    if TOLD.search(question):
        return "told"
    if DEGREE.search(question):
        return "degree"
    if MEANS.search(question):
        return "how"
    if WHETHER.match(question):
        return "whether"
    return "what" if re.search(r"\b(?:what|which)\b", question, re.IGNORECASE) else ""


def is_acronym(word: str) -> bool:
    """WWII is not the plural of WWI."""
    return len(word) > 1 and word.isupper()


def stem(word: str) -> str:
    """One form for the forms and the like of an English word; other languages' words mostly stay as they are."""
    return SAME.get(short := bare(word), short)


def bare(word: str) -> str:
    """A word without its ending."""
    word = word.removesuffix("'s")
    for suffix in SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            word = word[: -len(suffix)]
            if suffix in {"ing", "ings", "ed", "er", "ers"} and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]  # running: run
            break
    return word[:-1] + "i" if len(word) > 3 and word.endswith("y") else word


SAME: Final = {bare(word): bare(line.split()[0]) for line in _words["same"].splitlines() for word in line.split()}
