"""What a piece of text holds: patterns that look like personal data, and the language that its commonest words belong to.

Here: the patterns and word lists, named in every measurement that rests on them. Not here: any claim that a text is free of personal
data: a pattern finds what has a form, and names have none. A count of zero never becomes `absent`.
"""

from __future__ import annotations

import re

PATTERNS_NAME = "datasigil patterns 1"
WORDS_NAME = "datasigil function words 1"
LANGUAGE_WORDS_MIN = 20
LANGUAGE_SHARE_MIN = 0.06

_PATTERNS = {
    "email": re.compile(r"(?<![\w.+-])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*\.[A-Za-z]{2,24}\b"),
    "phone": re.compile(r"(?<![\w+])\+[1-9][0-9]{0,2}[ .-]?(?:\([0-9]{1,4}\)[ .-]?)?[0-9]{2,4}(?:[ .-]?[0-9]{2,4}){1,4}(?!\w)"),
    "iban": re.compile(r"(?<!\w)[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)"),
    "payment-card": re.compile(r"(?<![\w.-])(?:[0-9]{4}[ -]){3}[0-9]{4}(?!\w)|(?<![\w.-])[3-6][0-9]{14,15}(?!\w)"),
    "us-ssn": re.compile(r"(?<![\w-])(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![\w-])"),
    "ip-address": re.compile(r"(?<![\w.])(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(?![\w.])"),
}  # fmt: skip
PII_KINDS = tuple(_PATTERNS)
# Words that people cannot avoid in a language and that are rare in the others.
_WORDS = {
    "en": "the of and to in that is for with shall by this or be not from which any such are",
    "de": "der die das und nicht mit von ist dem den des ein eine zu auf für sich wird durch oder",
    "fr": "le la les des et est une dans pour par que qui sur avec aux ce cette ou du être",
    "es": "el los las que una para por con del se como más pero sus este esta será cuando y sin",
    "it": "il che di della per una con non sono del nel alla dei gli più come anche questo le è",
    "nl": "het een van en dat niet met zijn voor door worden aan deze ook bij wordt naar of te de",
    "pt": "os que uma para com não por mais dos como mas foi ao das tem seu ou será pelo são",
    "pl": "nie się na jest że do przez oraz dla jako który lub tego może są od po za ich w",
}  # fmt: skip
_LOOKUP: dict[str, list[str]] = {}
for _language, _text in _WORDS.items():
    for _word in _text.split():
        _LOOKUP.setdefault(_word, []).append(_language)
_TOKEN = re.compile(r"[^\W\d_]+")


def count_personal(text: str) -> dict[str, int]:
    """Return how many pieces of a text have the form of each kind; those with a check digit count only if it is right."""
    found = {}
    for kind, pattern in _PATTERNS.items():
        hits = pattern.findall(text)
        if kind == "iban":
            hits = [one for one in hits if _is_iban(one)]
        if kind == "payment-card":
            hits = [one for one in hits if _is_card(one)]
        if hits:
            found[kind] = len(hits)
    return found


def language_scores(text: str) -> tuple[dict[str, float], int]:
    """Return how often each language's own words occur in a text, shared words counted in parts, and the number of words in all."""
    scores: dict[str, float] = {}
    tokens = _TOKEN.findall(text.casefold())
    for token in tokens:
        languages = _LOOKUP.get(token, ())
        for language in languages:
            scores[language] = scores.get(language, 0.0) + 1 / len(languages)
    return scores, len(tokens)


def best_language(scores: dict[str, float], words: int) -> str:
    """Return the language whose words are the commonest, or the empty string where too few words speak for one."""
    if words < LANGUAGE_WORDS_MIN or not scores:
        return ""
    ranked = sorted(scores.items(), key=lambda one: -one[1])
    second = ranked[1][1] if len(ranked) > 1 else 0.0
    clear = ranked[0][1] >= LANGUAGE_SHARE_MIN * words and ranked[0][1] >= 1.3 * second
    return ranked[0][0] if clear else ""


def _is_iban(text: str) -> bool:
    """ISO 13616: the remainder of the rearranged number by 97 is 1."""
    plain = text.replace(" ", "")
    if not 15 <= len(plain) <= 34:
        return False
    digits = "".join(str(int(one, 36)) for one in plain[4:] + plain[:4])
    return int(digits) % 97 == 1


def _is_card(text: str) -> bool:
    """ISO/IEC 7812: the Luhn sum is divisible by 10."""
    digits = [int(one) for one in text if one.isdigit()]
    doubled = [one if index % 2 == 0 else sum(divmod(2 * one, 10)) for index, one in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0
