"""The /mock interface, through which a test sees and changes everything."""

from . import operations
from .clock import format_seconds
from .jsontext import describe, loads
from .messages import Answer, json_answer


class NotFound(Exception):
    """There is no such address below /mock."""


def answer(world, request):
    """Answer a request below /mock."""
    name = request.path[len("/mock/") :]
    try:
        if request.method == "POST":
            return Answer(200, describe(post(world, name, request)))
        handler = ROUTES.get((request.method, name))
        if handler is None:
            raise NotFound("no such address: %s %s" % (request.method, request.path))
        return Answer(200, describe(handler(world, request.query)))
    except NotFound as error:
        return json_answer(404, {"error": str(error)})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return json_answer(400, {"error": "%s: %s" % (type(error).__name__, error)})


def post(world, name, request):
    arguments = loads(request.body.decode("utf-8")) if request.body else {}
    if name == "fault":
        return add_faults(world, arguments)
    if name not in operations.OPERATIONS:
        raise NotFound("no such address: POST %s" % request.path)
    if not isinstance(arguments, dict):
        raise ValueError("a JSON object is needed")
    return operations.run(world, name, arguments)


def add_faults(world, rules):
    """Add one rule, or each of a list."""
    if isinstance(rules, list):
        return {"ids": [world.faults.add(rule) for rule in rules]}
    return {"id": world.faults.add(rules)}


def get_log(world, _):
    return world.log.entries


def delete_log(world, _):
    world.log.clear()
    return {}


def get_count(world, query):
    return world.log.counts(query.get("user"))


def get_library(world, query):
    entries = world.user(query.get("user")).library.entries
    return [entry.summary() for entry in entries]


def get_plays(world, query):
    return world.user(query.get("user")).plays.summary()


def get_config(world, _):
    return dict(world.config)


def get_clock(world, _):
    return {"now": format_seconds(world.clock.now())}


def get_faults(world, _):
    return [rule.describe() for rule in world.faults.rules]


def delete_faults(world, _):
    world.faults.clear()
    return {}


ROUTES = {
    ("GET", "log"): get_log,
    ("DELETE", "log"): delete_log,
    ("GET", "count"): get_count,
    ("GET", "library"): get_library,
    ("GET", "plays"): get_plays,
    ("GET", "config"): get_config,
    ("GET", "clock"): get_clock,
    ("GET", "fault"): get_faults,
    ("DELETE", "fault"): delete_faults,
}
