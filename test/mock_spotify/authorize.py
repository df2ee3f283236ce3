"""The page on which a user lets an app in."""

import html
import re
from urllib.parse import parse_qsl, urlencode, urlsplit

from .messages import Answer
from .tokens import ALL_SCOPES

HTML_TYPE = "text/html; charset=utf-8"
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")

PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Mock Spotify</title></head>
<body>
<h1>{client} asks for access to your account</h1>
<p>It would be allowed: {scopes}</p>
<form method="post" action="{action}">
<label>You are <select name="user">{users}</select></label>
<button name="decision" value="agree">Agree</button>
<button name="decision" value="cancel">Cancel</button>
</form>
</body>
</html>
"""


class Unusable(Exception):
    """The address the browser was sent to is wrong; the text says how."""


def authorize(world, request):
    """Answer GET and POST /authorize."""
    try:
        query = read_query(request)
        client = check_client(world, query)
        scopes = check_scopes(query)
        check_challenge(client, query)
    except Unusable as problem:
        return Answer(400, str(problem).encode(), "text/plain; charset=utf-8")
    if request.method == "POST":
        return decide(world, request, query, scopes)
    user = world.user(world.config["login_as"])
    if world.config["auto_approve"] or is_approved(world, client, user, scopes, query):
        return grant(world, query, user, scopes)
    return consent_page(world, request, client, scopes)


def read_query(request):
    if len(request.query) < len(request.query_pairs):
        raise Unusable("a parameter comes twice")
    return request.query


def check_client(world, query):
    client = world.clients.get(query.get("client_id"))
    if client is None:
        raise Unusable("INVALID_CLIENT: Invalid client")
    uri = query.get("redirect_uri", "")
    try:
        host = urlsplit(uri).hostname
    except ValueError:
        raise Unusable("INVALID_CLIENT: Invalid redirect URI") from None
    if host == "localhost":
        raise Unusable("INVALID_CLIENT: Insecure redirect URI")
    if not any(uri_matches(uri, registered) for registered in client.redirect_uris):
        raise Unusable("INVALID_CLIENT: Invalid redirect URI")
    if query.get("response_type") != "code":
        raise Unusable("response_type must be code")
    return client


def uri_matches(uri, registered):
    """Compare exactly; a loopback address registered without a port has any."""
    if uri == registered:
        return True
    parts, known = urlsplit(uri), urlsplit(registered)
    if known.hostname not in ("127.0.0.1", "::1") or ":" in known.netloc.split("]")[-1]:
        return False
    host, _, port = parts.netloc.rpartition(":")
    return port.isdigit() and parts._replace(netloc=host).geturl() == registered


def check_scopes(query):
    scopes = query.get("scope", "").split()
    if any(scope not in ALL_SCOPES for scope in scopes):
        raise Unusable("INVALID_SCOPE: Invalid scope")
    return scopes


def check_challenge(client, query):
    challenge = query.get("code_challenge")
    if challenge is None:
        if client.secret is None or "code_challenge_method" in query:
            raise Unusable("code_challenge must be supplied")
        return
    if query.get("code_challenge_method") != "S256":
        raise Unusable("code_challenge_method must be S256")
    if not CHALLENGE.fullmatch(challenge):
        raise Unusable("code_challenge is malformed")


def is_approved(world, client, user, scopes, query):
    """Tell whether the user agreed to this before and need not be asked again."""
    approved = world.approvals.get((client.id, user.id), set())
    return (client.id, user.id) in world.approvals and (
        approved.issuperset(scopes) and query.get("show_dialog") != "true"
    )


def consent_page(world, request, client, scopes):
    users = "".join(
        '<option%s value="%s">%s</option>'
        % (
            " selected" if user.id == world.config["login_as"] else "",
            html.escape(user.id),
            html.escape(user.display_name or user.id),
        )
        for user in world.users.values()
    )
    page = PAGE.format(
        client=html.escape(client.id),
        scopes=html.escape(", ".join(scopes) or "nothing in particular"),
        action=html.escape("/authorize?" + urlencode(request.query_pairs)),
        users=users,
    )
    return Answer(200, page.encode(), HTML_TYPE)


def decide(world, request, query, scopes):
    """Answer the form of the consent page."""
    form = dict(parse_qsl(request.body.decode("latin-1"), encoding="utf-8"))
    if form.get("decision") == "agree":
        user = world.users.get(form.get("user", world.config["login_as"]))
        if user is None:
            return Answer(400, b"no such user", "text/plain; charset=utf-8")
        return grant(world, query, user, scopes)
    if form.get("decision") == "cancel":
        return redirect(query, error="access_denied")
    return Answer(400, b"decision must be agree or cancel", "text/plain; charset=utf-8")


def grant(world, query, user, scopes):
    """Remember that the user agreed, and send the browser back with a code."""
    client_id = query["client_id"]
    approved = world.approvals.get((client_id, user.id), set())
    world.approvals[client_id, user.id] = approved.union(scopes)
    code = world.tokens.add_code(
        client_id, user, scopes, query["redirect_uri"], query.get("code_challenge")
    )
    return redirect(query, code=code)


def redirect(query, **parameters):
    if "state" in query:
        parameters["state"] = query["state"]
    uri = query["redirect_uri"]
    uri += ("&" if "?" in uri else "?") + urlencode(parameters)
    return Answer(302, headers=[("Location", uri)])
