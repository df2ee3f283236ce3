"""The listening socket, and the life of a connection."""

import itertools
import random
import socket
import threading
import traceback
from email.utils import formatdate

from . import actions, control
from .application import identify
from .exchange import ENDINGS, Exchange
from .messages import Answer
from .wire import BadRequest, Connection, PeerGone

BACKLOG = 512


class Server:
    """Serves a world on a port of the loopback address, one thread a connection."""

    def __init__(self, world, tls_context=None):
        self._world = world
        self._tls_context = tls_context
        self._jitter = random.Random(0)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self.port = self._listener.getsockname()[1]

    def serve_forever(self):
        for number in itertools.count(1):
            sock, _ = self._listener.accept()
            threading.Thread(
                target=self._serve_connection, args=(sock, number), daemon=True
            ).start()

    def _serve_connection(self, sock, number):
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._strike_connection(sock, number):
                return
            if self._tls_context is not None:
                sock = self._tls_context.wrap_socket(sock, server_side=True)
            with sock:
                self._serve_requests(self._connection(sock, number))
        except (OSError, PeerGone):
            # The client left, or refused the certificate; that is its right.
            sock.close()

    def _connection(self, sock, number):
        return Connection(sock, number, "http" if self._tls_context is None else "https")

    def _strike_connection(self, sock, number):
        """Apply a fault to a new connection; tell whether that was its end."""
        with self._world.lock:
            rules = self._world.faults.choose_for_connection()
        connection = self._connection(sock, number)
        for rule in rules:
            for name in rule.action:
                STRIKES[name](connection)
        return bool(rules)

    def _serve_requests(self, connection):
        try:
            request = connection.read_request()
            while request is not None and self._serve(connection, request):
                request = connection.read_request()
        except BadRequest as problem:
            text = Answer(400, str(problem).encode(), "text/plain; charset=utf-8")
            connection.send(text.whole())
        connection.close()

    def _serve(self, connection, request):
        """Answer one request; tell whether the connection goes on."""
        if request.path.startswith("/mock/"):
            return self._serve_control(connection, request)
        with self._world.lock:
            log = self._world.log
            identity = identify(self._world, request)
            rules = self._world.faults.choose(request, identity)
            entry = log.begin(request, identity, [rule.number for rule in rules])
            steps = self._prepare(request, rules, entry, log)
        return self._perform(connection, steps, log)

    def _serve_control(self, connection, request):
        with self._world.lock:
            answer = control.answer(self._world, request)
        connection.send(answer.whole())
        return request.header("connection").lower() != "close"

    def _prepare(self, request, rules, entry, log):
        """Return the steps that answer a request."""
        action = {}
        for rule in rules:
            action.update(rule.action)
        processed = all(rule.processes() for rule in rules)
        exchange = Exchange(self._world, request, action, processed)
        try:
            self._build_answer(exchange)
            steps = exchange.steps()
        except Exception:
            # A fault that cannot be applied must not look like one that was.
            traceback.print_exc()
            exchange.answer = Answer(500, b"the mock failed; see its error output")
            steps = [("send", exchange.answer.whole()), ("close",)]
        sent = any(is_send(step) for step in steps)
        log.answered(entry, exchange.answer.status if sent else None)
        return self._latency() + steps

    def _build_answer(self, exchange):
        actions.run_stage(actions.ASK, exchange)
        exchange.ask()
        answer = exchange.answer
        editable = exchange.processed and answer.status == 200
        if editable and actions.has_stage(actions.PAGE, exchange.action):
            exchange.read_page()
            actions.run_stage(actions.PAGE, exchange)
            exchange.write_page()
        actions.run_stage(actions.BODY, exchange)
        exchange.encode()
        answer.set_header("Date", formatdate(self._world.clock.now(), usegmt=True))
        for stage in (actions.CODING, actions.HEAD, actions.DELIVERY, actions.DONE):
            actions.run_stage(stage, exchange)

    def _latency(self):
        config = self._world.config
        milliseconds = config["latency_ms"]
        milliseconds += self._jitter.uniform(0, config["latency_jitter_ms"])
        return [("wait", milliseconds / 1000)] if milliseconds else []

    def _perform(self, connection, steps, log):
        """Take the steps on the connection; tell whether it goes on."""
        # With the last byte the client is free to ask again, and that request must not
        # count as one beside this.
        sends = [place for place, step in enumerate(steps) if is_send(step)]
        departure = sends[-1] if sends else len(steps)
        try:
            take(connection, steps[:departure])
        finally:
            with self._world.lock:
                log.leave()
        take(connection, steps[departure:])
        return steps[-1] not in ENDINGS


def is_send(step):
    return step[0] in ("send", "send_all")


def take(connection, steps):
    for name, *arguments in steps:
        getattr(connection, name)(*arguments)


# What can happen to a connection before anything was asked on it.
STRIKES = {
    "silent": lambda connection: connection.wait(),
    "reset": lambda connection: connection.reset(),
    "close": lambda connection: connection.cut(),
}
