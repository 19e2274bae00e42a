"""Words that say nothing about what a question is after. They are indexed, and left out of queries."""

from __future__ import annotations

from typing import Final

_ENGLISH = """
a about above after again all am an and any are as at be because been before being below between both but by can could
did do does doing down during each few for from further get had has have having he her here hers him his how i if in
into is it its itself just let me more most my no nor not of off on once only or other our out over own same shall she
should so some such tell than that the their them then there these they this those through to too under until up us
very was we were what when where which while who whom whose why will with would you your
"""
_GERMAN = """
aber als am an auch auf aus bei bin bis bist da dass dem den der des die dies diese dieser dieses du durch ein eine
einem einen einer eines er es fur gibt hat hatte ich ihr im in ist kann man mit nach nicht oder sich sie sind so uber
um und von vor wann war waren warum was welche welcher welches wem wen wenn wer werden wie wir wird wo wurde wurden zu
zum zur
"""
_FRENCH = """
a ai au aux avec ce ces cette comment d dans de des du elle en est et etait eu fut il ils j je l la le les leur lui
mais n ne nous on ont ou par pas pour pourquoi qu quand que quel quelle quelles quels qui quoi sa se ses son sont sur
un une vous
"""
_SPANISH = """
a al como con cual cuales cuando de del donde el ella en era es esta este fue ha han la las le lo los mas no o para
pero por porque que quien quienes se ser si sin sobre son su sus un una y ya
"""
_ITALIAN = """
a al alla che chi come con cosa da dal dalla dei del della delle di dove e ed era gli ha i il in io la le lo ma nel
nella non o per perche piu quale quali quando si sono su sul sulla un una uno
"""
_PORTUGUESE = """
a ao aos as com como da das de do dos e ela ele em entre era essa este foi ha mais mas na nas no nos o onde os ou para
pela pelo por porque qual quais quando que quem se sem ser seu sua sao um uma
"""
_DUTCH = """
aan als bij dat de der deze die dit door een en er het hij hoe ik in is kan met naar niet of om onder ook op over te
tot uit van voor waar waarom wanneer was wat welke werd werden wie wordt worden zij zijn
"""

STOP_WORDS: Final = {
    code: frozenset(words.split())
    for code, words in {
        "en": _ENGLISH, "de": _GERMAN, "fr": _FRENCH, "es": _SPANISH, "it": _ITALIAN, "pt": _PORTUGUESE, "nl": _DUTCH,
    }.items()
}  # fmt: skip


def is_stop_word(word: str, language: str) -> bool:
    """Whether `word`, folded, is a stop word of `language` (ISO 639-1); languages without a list have none."""
    return word in STOP_WORDS.get(language, ())
