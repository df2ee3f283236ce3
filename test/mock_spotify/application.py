"""Who answers a request: one of the two services, or a server that never gets there."""

from . import api, authorize, oauth
from .messages import Answer, accounts_error, api_error, reason_of


def stand_in(path, status):
    """Return the answer of a server that does not get as far as the application."""
    if status < 400:
        return Answer(status)
    if path == "/api/token":
        return accounts_error(status, "server_error", reason_of(status))
    return api_error(status, reason_of(status))


def answer(world, request, as_user=None, shuffle=None):
    """Answer a request as Spotify would; the other arguments are for api.answer."""
    needed = world.config["require_http_version"]
    if needed is not None and major(request.http_version) != major(needed):
        return api_error(505, "HTTP version not supported")
    if request.path.startswith("/v1/") or request.path == "/v1":
        return api.answer(world, request, as_user, shuffle)
    methods = ACCOUNTS.get(request.path)
    if methods is None:
        return Answer(404, b"Not found", "text/plain; charset=utf-8")
    if request.method not in methods:
        return Answer(405, headers=[("Allow", ", ".join(methods))])
    return methods[request.method](world, request)


def major(version):
    return version.partition(".")[0]


def identify(world, request):
    """Return who a request seems to come from."""
    if request.path == "/api/token":
        return oauth.identify(world, request)
    return api.identify(world, request)


ACCOUNTS = {
    "/api/token": {"POST": oauth.token},
    "/authorize": {"GET": authorize.authorize, "POST": authorize.authorize},
}
