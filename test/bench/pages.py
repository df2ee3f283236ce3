"""The library at the stand-in, and its pages saved as files for nginx."""

import http.client
import json
import os

PAGE_SIZE = 50
CHURN = 0.01


class StandIn:
    """The stand-in for Spotify, by its control interface."""

    def __init__(self, port):
        self._connection = http.client.HTTPConnection("127.0.0.1", port)

    def control(self, operation, **arguments):
        """Run an operation of the stand-in; return what it answers."""
        path = "/mock/" + operation
        _, body = self._ask("POST", path, json.dumps(arguments), {})
        return json.loads(body)

    def page(self, offset, token, host):
        """Return a page, compressed, with links to this host."""
        path = "/v1/me/tracks?limit=%d&offset=%d" % (PAGE_SIZE, offset)
        headers = {
            "Authorization": "Bearer " + token,
            "Accept-Encoding": "gzip",
            "Host": host,
            "X-Forwarded-Proto": "https",
        }
        answer, body = self._ask("GET", path, None, headers)
        if answer.headers["Content-Encoding"] != "gzip":
            raise RuntimeError("the stand-in did not compress a page")
        return body

    def _ask(self, method, path, body, headers):
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError("%s: %d %s" % (path, answer.status, content[:200]))
        return answer, content


def churned(tracks):
    """Return how many tracks churn removes and adds."""
    return max(1, int(tracks * CHURN))


def set_library(stand_in, tracks):
    """Give the library so many tracks."""
    stand_in.control("library", size=tracks)


def churn_library(stand_in, tracks):
    """Remove 1 % of the tracks, evenly scattered, and like as many new ones."""
    count = churned(tracks)
    step = tracks // count
    stand_in.control("unlike", positions=[step // 2 + i * step for i in range(count)])
    stand_in.control("like", count=count)


def save_pages(stand_in, tracks, host, folder):
    """Save every page of the library as it is now."""
    os.makedirs(folder)
    token = stand_in.control("access_token")["access_token"]
    for offset in range(0, tracks, PAGE_SIZE):
        name = "%d-%d.json.gz" % (PAGE_SIZE, offset)
        with open(os.path.join(folder, name), "wb") as file:
            file.write(stand_in.page(offset, token, host))


class SavedLibrary:
    """A library of some size before and after churn, served by nginx.

    The folder "current", which nginx serves, is a link to the pages of the state
    that was chosen; the stand-in has the same state, for whatever is no page.
    """

    STATES = ("before", "after")

    def __init__(self, stand_in, folder, host):
        self._stand_in = stand_in
        self._folder = folder
        self._host = host
        self._tracks = 0
        os.makedirs(folder, exist_ok=True)

    def make(self, tracks):
        """Save the pages of both states."""
        self._tracks = tracks
        for state in self.STATES:
            self._set_stand_in(state)
            save_pages(self._stand_in, tracks, self._host, self._pages(state))

    def choose(self, state):
        """Serve the library as it is before churn, or after."""
        self._set_stand_in(state)
        link = os.path.join(self._folder, "current")
        os.symlink(self._pages(state), link + ".new")
        os.replace(link + ".new", link)

    def _set_stand_in(self, state):
        set_library(self._stand_in, self._tracks)
        if state == "after":
            churn_library(self._stand_in, self._tracks)

    def _pages(self, state):
        return os.path.join(self._folder, "%d-%s" % (self._tracks, state))
