"""The stand-in for Spotify, and nginx in front of it."""

import os
import socket
import subprocess
import sys
import time
from typing import NamedTuple

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = "/usr/lib/nginx/modules"
START_SECONDS = 10


class Traffic(NamedTuple):
    """What clients asked of nginx and were sent."""

    requests: int
    bytes: int


def free_ports(count):
    """Return ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class StandInProcess:
    """test/mock_spotify as a process of its own; makes the certificates too."""

    def __init__(self, folder):
        mock = os.path.join(HERE, "..", "mock_spotify")
        certificates = os.path.join(folder, "certificates")
        self._process = subprocess.Popen(
            [sys.executable, "-B", mock, "--exit-with-stdin", "--cert-dir", certificates],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._process.stdout.readline().split()[1])

    def stop(self):
        self._process.stdin.close()
        self._process.wait()


class Nginx:
    """nginx, with a port for each latency."""

    def __init__(self, folder, stand_in_port, latencies):
        """Start it; latencies are in milliseconds."""
        self.ports = dict(zip(latencies, free_ports(len(latencies))))
        self._log = os.path.join(folder, "nginx.access.log")
        configuration = os.path.join(folder, "nginx.conf")
        with open(configuration, "w", encoding="ascii") as file:
            file.write(self._configuration(folder, stand_in_port))
        self._process = subprocess.Popen(
            ["nginx", "-p", folder, "-c", configuration], stdin=subprocess.DEVNULL
        )
        for port in self.ports.values():
            self._wait_for(port)

    def url(self, latency):
        return "https://127.0.0.1:%d" % self.ports[latency]

    def forget_traffic(self):
        os.truncate(self._log, 0)

    def traffic(self):
        """Return what was asked since it was forgotten; all must be well."""
        with open(self._log, encoding="ascii", errors="replace") as file:
            lines = [line.split(maxsplit=2) for line in file]
        failed = [line for line in lines if line[0] != "200"]
        if failed:
            raise RuntimeError("a request failed: " + " ".join(failed[0]))
        return Traffic(len(lines), sum(int(line[1]) for line in lines))

    def stop(self):
        self._process.terminate()
        self._process.wait()

    def _configuration(self, folder, stand_in_port):
        listen = ["        listen 127.0.0.1:%d ssl http2;" % p for p in self.ports.values()]
        latencies = [
            "        %d %.3f;" % (port, latency / 1000)
            for latency, port in self.ports.items()
        ]
        values = {
            "@MODULES@": MODULES,
            "@FOLDER@": folder,
            "@STAND_IN_PORT@": str(stand_in_port),
            "@LISTEN@": "\n".join(listen),
            "@LATENCIES@": "\n".join(latencies),
        }
        with open(os.path.join(HERE, "nginx.conf"), encoding="ascii") as file:
            text = file.read()
        for name, value in values.items():
            text = text.replace(name, value)
        return text

    def _wait_for(self, port):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError("nginx did not start")
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.05)
        raise RuntimeError("nginx does not answer")
