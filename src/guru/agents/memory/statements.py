"""A statement as subject, attribute and value, so that a newer one about the same thing can take its place.

English only. What no pattern knows is still compared, by its words and by its meaning: `guru.agents.memory.relations`.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

USER: Final = "user"
LONGEST: Final = 300
"""Characters above which a text is no single statement."""
CONTRACTIONS: Final = (
    (r"\bi'?m\b", "i am"), (r"\bcan(?:'t|not)\b", "can not"), (r"\bwon't\b", "will not"), (r"n't\b", " not"),
    (r"\b(i|we|you|they)'ve\b", r"\1 have"), (r"\b(i|we|you|they)'d\b", r"\1 would"), (r"\b(i|we)'ll\b", r"\1 will"),
    (r"\b(we|they)'re\b", r"\1 are"), (r"\b(it|that|he|she)'s\b", r"\1 is"),
)  # fmt: skip
LEAD: Final = re.compile(
    r"^(?:(?:please|kindly|also|and|so|well|actually|oh|hi|hello|hey|btw|by the way|fyi|ok|okay|from now on|now|"
    r"(?:please )?(?:remember|note|keep in mind|do not forget|make a note|know)(?: (?:that|this))?|"
    r"for (?:future )?reference)\b[\s,:]*)+"
)
FILLERS: Final = re.compile(
    r"\b(?:really|just|always|currently|now|recently|usually|actually|definitely|any ?more|any longer|these days|"
    r"at the moment|last (?:week|month|year)|as you know|of course)\b"
)
UNITS: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
NUMBERS: Final = {"no": "0", "zero": "0", "a": "1", "an": "1"} | {unit: str(at) for at, unit in enumerate(UNITS, 1)}
SPELLINGS: Final = (
    (r"\bfavorite\b", "favourite"), (r"\bcolor\b", "colour"), (r"\btime ?zone\b", "timezone"), (r"\be-mail\b", "email"),
    (r"\b(email|phone|mobile|telephone)(?: address| number)\b", r"\1"), (r"\bmother tongue\b", "native language"),
    (r"\b(?:my )(?:girl|boy)friend\b", "my partner"), (r"\bboss\b", "manager"),
)  # fmt: skip
HEDGES: Final = re.compile(
    r"\b(?:might|maybe|perhaps|probably|possibly|would like|want(?:s|ed)? to|wish|hope|plan(?:ning)? to|thinking of|"
    r"considering|if|unless|used to|grew up|was|were|had|lived|worked|imagine|suppose|pretend)\b"
)
"""Not so, or not so now: it says nothing against what holds."""
MORE: Final = re.compile(r"\b(?:also|too|as well|another|in addition|besides|second)\b")
"""Said beside something, not in its place."""
DIETS: Final = r"vegan|vegetarian|pescatarian|omnivore"
STATES: Final = r"single|married|engaged|divorced|widowed|separated"


class Pattern(Struct, frozen=True):
    """How people say one thing about themselves."""

    attribute: str
    """`{0}` stands for the first group, where there are two; the last group is the value."""
    expression: re.Pattern[str]
    several: bool = False
    """More than one value may hold at a time."""


def pattern(attribute: str, expression: str, *, several: bool = False) -> Pattern:
    return Pattern(attribute, re.compile(rf"^(?:{expression})$"), several)


PATTERNS: Final = (
    pattern("name", r"(?:my (?:first |full )?name is|call me|i am called|i go by) (.+)"),
    pattern("home", r"i (?:live|am living|reside|am based) (?:in|at|near) (.+)"),
    pattern("home", r"i (?:have )?(?:moved|relocated) (?:from .+ )?to (.+)"),
    pattern("origin", r"i (?:am|come) (?:originally )?from (?!the )(.+)"),
    pattern("birthday", r"(?:my birthday is|i was born) (?:on )?(?:the )?(.*\d.*)"),
    pattern("birthplace", r"i was born in (.+)"),
    pattern("job", r"i (?:work|am working) as (?:an? |the )?(.+)"),
    pattern("job", r"my (?:job|profession|occupation|role|job title) is (?:an? |the )?(.+)"),
    pattern("employer", r"i (?:work|am working|am employed) (?:at|for|by) (.+)"),
    pattern("employer", r"i (?:have )?(?:joined|started (?:working )?(?:at|for)) (.+)"),
    pattern("employer", r"my (?:employer|company) is (.+)"),
    pattern("age", r"(?:i am|my age is) (\d{1,3})(?: years old| years)?"),
    pattern("diet", rf"(?:i am|i eat|i follow)(?: an?)? ({DIETS})(?: diet)?"),
    pattern("diet", r"i eat (meat|everything)"),
    pattern("marital status", rf"i am ({STATES})"),
    pattern("allergy", r"i am allergic to (.+)", several=True),
    pattern("language", r"i speak (.+)", several=True),
    pattern("preference", r"i (?:would |do )?prefer (.+)", several=True),
    pattern("prefers", r"i (?:would )?like (.+ more than .+)", several=True),
    pattern("taste", r"i (?:do )?(?:like|love|enjoy|adore) (.+)", several=True),
    pattern("{0}", r"my (.+?) (?:is|are) (?:called|named) (.+)"),
    pattern("{0}", r"my (.+?)'s? name is (.+)"),
    pattern("use for {0}", r"(?:i|we) (?:use|have switched to|switched to) (.+?) for (?P<topic>.+)"),
    pattern("{0}", r"(?:my|our) ([\w' -]{2,40}?) (?:is|are) (.+)"),
    pattern("car", r"i drive (?:an? )?(.+)"),
    pattern("count of {0}", r"i have (\d+) (?P<topic>[a-z ]{2,30})"),
)  # fmt: skip
DISLIKES: Final = re.compile(r"^i (?:hate|dislike|can not stand|can not bear|detest) (.+)$")
NEGATED: Final = re.compile(
    r"\b(?:do not|does not|did not|am not|is not|are not|can not|will not|not|never|no longer)\b"
)
REVERSED: Final = re.compile(r"^([\w .-]{2,30}) is my ([\w ]{2,30})$")


class Statement(Struct, frozen=True):
    """What is said of whom."""

    words: str
    """The whole of it, in plain lower case words: without what only leads to it, contractions spelt out."""
    subject: str | None = None
    attribute: str | None = None
    value: str = ""
    denied: bool = False
    """It says that this is not so."""
    several: bool = False
    holds: bool = True
    """It says how things are, not how they were or might be."""
    more: bool = False

    @property
    def key(self) -> str | None:
        """`user: home`."""
        return f"{self.subject}: {self.attribute}" if self.subject and self.attribute else None


def read_statement(text: str) -> Statement:
    """What a text of one sentence says, as far as its words show."""
    words = plain(text)
    if len(words) > LONGEST:
        return Statement(words)
    holds = HEDGES.search(words) is None or re.match(r"i was born", words) is not None
    more = MORE.search(words) is not None
    said = squeeze(MORE.sub(" ", FILLERS.sub(" ", words)))
    said = re.sub(r",? (?:and )?not (?!only\b)[\w' -]+$", "", LEAD.sub("", said)) if "," in said else LEAD.sub("", said)
    if found := REVERSED.match(said):
        said = f"my {found[2]} is {found[1]}"
    denied = NEGATED.search(said) is not None
    bare = squeeze(NEGATED.sub(" ", said)) if denied else said
    if denied and re.match(r"i (?!am\b)\w+ing\b", bare):
        bare = f"i am {bare[2:]}"
    if re.match(rf"(?:i )(?:an? )?(?:{DIETS}|{STATES}|allergic|from|based|\d)\b", bare):
        bare = f"i am {bare[2:]}"
    if found := DISLIKES.match(said):
        return Statement(words, USER, "taste", tidy(found[1]), True, True, holds, more)
    bare = re.sub(r"^i have (no|zero|an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve) ", counted, bare)
    bare = re.sub(r"^i am (?:an? )(?=(?:" + DIETS + r")\b)", "i am ", bare)
    for each in PATTERNS:
        if found := each.expression.match(bare):
            return matched(each, found, words, denied=denied, holds=holds, more=more)
    if found := re.match(r"^(?:the )?(.+?) of (?:the )?(.+?) (?:is|are|was|will be) (.+)$", bare):
        return Statement(words, tidy(found[2]), tidy(found[1]), tidy(found[3]), denied, False, holds, more)
    if found := re.match(r"^(?:the )?([\w -]+?)'s? ([\w -]+?) (?:is|are|will be) (.+)$", bare):
        return Statement(words, tidy(found[1]), tidy(found[2]), tidy(found[3]), denied, False, holds, more)
    return Statement(words, denied=denied, holds=holds, more=more)


def matched(each: Pattern, found: re.Match[str], words: str, *, denied: bool, holds: bool, more: bool) -> Statement:
    groups = [group for group in found.groups() if group]
    value, attribute = groups[-1], each.attribute
    if "topic" in found.re.groupindex:
        value, attribute = groups[0], attribute.format(singular(tidy(found["topic"])))
    elif "{0}" in attribute:
        attribute = attribute.format(tidy(re.sub(r"'s?(?: name)?$", "", groups[0])))
        attribute = re.sub(r"'s? name$", "", attribute)
    return Statement(words, USER, attribute, tidy(value), denied, each.several or more, holds, more)


def counted(found: re.Match[str]) -> str:
    return f"i have {NUMBERS[found[1]]} "


def singular(word: str) -> str:
    for ending, other in (("children", "child"), ("kids", "child"), ("ies", "y"), ("sses", "ss"), ("s", "")):
        if word.endswith(ending) and not (ending == "s" and word.endswith("ss")):
            return word[: -len(ending)] + other
    return word


def plain(text: str) -> str:
    """Lower case words with single spaces: spelling, contractions and what leads to the statement made alike."""
    words = text.strip().lower().replace("\u2019", "'")
    words = re.sub(r"[\s]+", " ", words).rstrip(" .!;…")
    for expression, other in (*CONTRACTIONS, *SPELLINGS):
        words = re.sub(expression, other, words)
    words = re.sub(r"\b(i) would (?=prefer\b)", r"\1 ", words)
    return squeeze(LEAD.sub("", words))


def tidy(value: str) -> str:
    """A value or a name without articles and marks around it."""
    value = re.sub(r"^(?:the|an?|our|my|project) ", "", value.strip(" ,.;:!\"'"))
    return squeeze(value)


def squeeze(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip(" ,.;:")
