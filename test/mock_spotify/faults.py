"""The rules by which requests suffer faults.

A rule has a match, which says for which requests it holds and for which of those it
is due, and an action. The first rule that is due for a request decides; with
"continue": true the ones after it may add to it.
"""

import random
import re

from .actions import ACTIONS

CONNECT_ACTIONS = ("silent", "reset", "close")

# Which requests a rule holds for: condition -> (value, request, identity) -> bool.
FITS = {
    "path": lambda value, request, identity: re.search(value, request.path) is not None,
    "method": lambda value, request, identity: request.method == value,
    "offset": lambda value, request, identity: (
        request.query.get("offset", "0") in map(str, as_list(value))
    ),
    "query": lambda value, request, identity: (
        all(request.query.get(name) == each for name, each in value.items())
    ),
    "user": lambda value, request, identity: identity.user_id == value,
    "client_id": lambda value, request, identity: identity.client_id == value,
    "grant_type": lambda value, request, identity: identity.grant_type == value,
}

# For which of them it is due: condition -> (value, rule) -> bool.
IS_DUE = {
    "nth": lambda value, rule: rule.seen in as_list(value),
    "from": lambda value, rule: rule.seen >= value,
    "every": lambda value, rule: rule.seen % value == 0,
    "times": lambda value, rule: rule.hits < value,
    "probability": lambda value, rule: rule.random.random() < value,
    "seed": lambda value, rule: True,
}

TYPES = {
    "path": str,
    "method": str,
    "offset": (int, list),
    "query": dict,
    "user": str,
    "client_id": str,
    "grant_type": str,
    "nth": (int, list),
    "from": int,
    "every": int,
    "times": int,
    "probability": (int, float),
    "seed": int,
    "phase": str,
}

RULE_KEYS = ("match", "action", "continue")


def as_list(value):
    return value if isinstance(value, list) else [value]


class Rule:
    """A rule, and how often it held and was due."""

    def __init__(self, number, match, action, goes_on):
        self.number = number
        self.match = match
        self.action = action
        self.goes_on = goes_on
        self.seen = 0
        self.hits = 0
        self.random = random.Random(match.get("seed", 0))

    def fits_connection(self):
        return self.match.get("phase") == "connect"

    def fits(self, request, identity):
        return not self.fits_connection() and all(
            FITS[name](value, request, identity)
            for name, value in self.match.items()
            if name in FITS
        )

    def is_due(self):
        return all(
            IS_DUE[name](value, self)
            for name, value in self.match.items()
            if name in IS_DUE
        )

    def processes(self):
        """Tell whether the application sees a request that suffers this."""
        replaced = any(
            ACTIONS[name].replaces(value)
            for name, value in self.action.items()
            if name in ACTIONS
        )
        return self.action.get("processed", not replaced)

    def describe(self):
        return {
            "id": self.number,
            "match": self.match,
            "action": self.action,
            "continue": self.goes_on,
            "seen": self.seen,
            "hits": self.hits,
        }


class Faults:
    """The rules in the order in which they were added."""

    def __init__(self):
        self.rules = []
        self._added = 0

    def add(self, definition):
        """Add a rule; ValueError says what is wrong with it. Return its number."""
        check_keys("key", definition, RULE_KEYS)
        match, action = definition.get("match", {}), definition.get("action", {})
        check_match(match)
        check_action(match, action)
        self._added += 1
        rule = Rule(self._added, match, action, definition.get("continue", False))
        self.rules.append(rule)
        return rule.number

    def clear(self):
        self.rules = []

    def choose(self, request, identity):
        """Return the rules that strike a request."""
        return self._strike([r for r in self.rules if r.fits(request, identity)])

    def choose_for_connection(self):
        """Return the rules that strike a new connection."""
        return self._strike([rule for rule in self.rules if rule.fits_connection()])

    def _strike(self, rules):
        struck, decided = [], False
        for rule in rules:
            rule.seen += 1
            if not decided and rule.is_due():
                rule.hits += 1
                struck.append(rule)
                decided = not rule.goes_on
        return struck


def check_match(match):
    check_keys("condition", match, TYPES)
    for name, value in match.items():
        if not isinstance(value, TYPES[name]):
            raise ValueError("%s cannot be %r" % (name, value))
    if match.get("phase", "connect") != "connect":
        raise ValueError('phase can only be "connect"')
    if match.get("every", 1) < 1:
        raise ValueError("every is at least 1")
    try:
        re.compile(match.get("path", ""))
    except re.error as error:
        raise ValueError("path: %s" % error) from None


def check_action(match, action):
    allowed = CONNECT_ACTIONS if "phase" in match else [*ACTIONS, "processed"]
    check_keys("action", action, allowed)
    if not action:
        raise ValueError("a rule needs an action")
    for name, value in action.items():
        if name in ACTIONS:
            ACTIONS[name].check(value)


def check_keys(kind, value, allowed):
    if not isinstance(value, dict):
        raise ValueError("%s: an object is needed" % kind)
    for key in value:
        if key not in allowed:
            known = ", ".join(allowed)
            raise ValueError("no such %s: %s; there are %s" % (kind, key, known))
