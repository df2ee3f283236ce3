"""Start the mock: python3 test/mock_spotify [options]; see README.md."""

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import threading

if not __package__:
    # Run as a directory, which Python takes for a place of modules, not a package.
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    __package__ = "mock_spotify"

from mock_spotify.certificates import KINDS, make_certificates, server_context
from mock_spotify.server import Server
from mock_spotify.world import World


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="mock_spotify", description="A stand-in for Spotify, for tests."
    )
    parser.add_argument("--tls", action="store_true", help="serve https")
    parser.add_argument(
        "--cert-dir",
        metavar="DIR",
        help="where the certificates are, or are to be made; without --tls they are "
        "only made",
    )
    parser.add_argument("--cert-kind", choices=KINDS, default="good")
    parser.add_argument(
        "--library", type=int, default=0, metavar="N", help="how many tracks are saved"
    )
    parser.add_argument(
        "--latency", type=float, default=0, metavar="MS", help="wait before answering"
    )
    parser.add_argument(
        "--rotate", action="store_true", help="give a new refresh token at each use"
    )
    parser.add_argument(
        "--legacy-fields", action="store_true", help="serve the fields of before 2026"
    )
    parser.add_argument("--log", metavar="FILE", help="write each request to this file")
    parser.add_argument(
        "--exit-with-stdin", action="store_true", help="end when standard input does"
    )
    return parser.parse_args()


def end_with_stdin():
    """End the process when whoever started it is gone."""

    def watch():
        while os.read(sys.stdin.fileno(), 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def stop(_signal, _frame):
    sys.exit(0)


def main():
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    switches = {
        "latency_ms": arguments.latency,
        "legacy_fields": arguments.legacy_fields,
    }
    if arguments.rotate:
        switches["rotate"] = True
    world = World(arguments.library, arguments.log, **switches)
    with contextlib.ExitStack() as cleanup:
        directory = arguments.cert_dir
        if arguments.tls and directory is None:
            directory = cleanup.enter_context(tempfile.TemporaryDirectory())
        if directory is not None:
            make_certificates(directory)
        context = server_context(directory, arguments.cert_kind) if arguments.tls else None
        server = Server(world, context)
        print("port %d" % server.port, flush=True)
        if arguments.exit_with_stdin:
            end_with_stdin()
        server.serve_forever()


if __name__ == "__main__":
    main()
