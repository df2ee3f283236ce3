"""Measures every contestant in turn, in every situation; see README.md.

Prints what it does; writes a line of JSON for each measurement to the file in
BENCH_RESULTS, for report.py.
"""

import json
import os
import signal
import sys
import time

import measure
from contestants import CHURN, CONTESTANTS, FIRST, UNCHANGED
from pages import SavedLibrary, StandIn, churned
from servers import Nginx, StandInProcess

DATABASE = "bench"
# A way that takes longer than this is not measured again: it would take hours.
LONG_SECONDS = 40
SMALL = 1000


def numbers(name, default):
    return [int(each) for each in os.environ.get(name, default).split()]


class Bench:
    def __init__(self, folder):
        self.folder = folder
        self.sizes = numbers("BENCH_SIZES", "1000 10000 100000")
        self.latencies = numbers("BENCH_LATENCIES", "0 50")
        self.stand_in = StandInProcess(folder)
        self.nginx = Nginx(folder, self.stand_in.port, self.latencies)
        self.library = SavedLibrary(
            StandIn(self.stand_in.port),
            os.path.join(folder, "library"),
            "127.0.0.1:%d" % self.nginx.ports[self.latencies[0]],
        )
        self.ca_file = os.path.join(folder, "certificates", "ca.pem")
        self.control = measure.connect("postgres")
        measure.query(self.control, "CREATE EXTENSION pg_stat_statements")
        self.contestants = self.find_contestants()
        self.results = open(os.environ["BENCH_RESULTS"], "w", encoding="ascii")

    def stop(self):
        self.nginx.stop()
        self.stand_in.stop()

    def find_contestants(self):
        """Return those that were chosen and that the machine has."""
        chosen = os.environ.get("BENCH_CONTESTANTS", "").split()
        contestants = [
            kind(self.folder, self.ca_file)
            for kind in CONTESTANTS
            if not chosen or kind.name in chosen
        ]
        available = "SELECT 1 FROM pg_available_extensions WHERE name = 'http'"
        if measure.query(self.control, available) is None:
            contestants = [each for each in contestants if each.name != "pgsql-http"]
            print("pgsql-http is not on this machine: left out", flush=True)
        return contestants

    def run(self):
        for tracks in self.sizes:
            print("%d tracks: saving pages" % tracks, flush=True)
            self.library.make(tracks)
            for contestant in self.contestants:
                self.run_scenarios(contestant, tracks, self.latencies[0], "counted")
            for latency in self.latencies:
                self.run_rounds(tracks, latency)

    def run_rounds(self, tracks, latency):
        default = "5" if tracks <= SMALL else "3"
        left = {each.name for each in self.contestants}
        for _ in range(numbers("BENCH_ROUNDS", default)[0]):
            for contestant in self.contestants:
                if contestant.name not in left:
                    continue
                longest = self.run_scenarios(contestant, tracks, latency, "timed")
                if longest > LONG_SECONDS:
                    left.remove(contestant.name)

    def run_scenarios(self, contestant, tracks, latency, kind):
        """Run all scenarios from an empty database on; return the longest time."""
        self.create_database(contestant, self.nginx.url(latency), kind)
        longest = 0
        for scenario in contestant.scenarios:
            self.library.choose("after" if scenario == CHURN else "before")
            result = self.run_scenario(contestant, tracks, latency, scenario, kind)
            if contestant.count_rows:
                self.check_rows(contestant, tracks, scenario)
            result.update(
                contestant=contestant.name,
                label=contestant.label,
                tracks=tracks,
                latency=latency,
                scenario=scenario,
                kind=kind,
            )
            print(json.dumps(result), file=self.results, flush=True)
            print(
                "%7d tracks %3d ms  %-12s %-10s %8.3f s  %s"
                % (tracks, latency, contestant.name, scenario, result["wall"], kind),
                flush=True,
            )
            longest = max(longest, result["wall"])
        return longest

    def create_database(self, contestant, url, kind):
        control = self.control
        measure.query(control, "DROP DATABASE IF EXISTS %s" % DATABASE)
        measure.query(control, "CREATE DATABASE %s" % DATABASE)
        settings = contestant.settings(url)
        if kind == "counted":
            settings["pg_stat_statements.track"] = "all"
        connection = measure.connect(DATABASE)
        for statement in contestant.set_up():
            measure.query(connection, statement)
        for name, value in settings.items():
            statement = "ALTER DATABASE %s SET %s = '%s'" % (DATABASE, name, value)
            measure.query(connection, statement)
        connection.close()
        measure.query(control, "CHECKPOINT")

    def run_scenario(self, contestant, tracks, latency, scenario, kind):
        """Run a contestant once, in the state that its database is in."""
        url = self.nginx.url(latency)
        command = contestant.command(url, tracks, scenario)
        environment = {
            "PGDATABASE": DATABASE,
            "BENCH_API": url,
            "REQUESTS_CA_BUNDLE": self.ca_file,
            "PGOPTIONS": "-c client_min_messages=warning",
        }
        self.tidy_up()
        if kind == "timed":
            return measure.run(command, environment)._asdict()

        writing = measure.Writing(DATABASE)
        self.nginx.forget_traffic()
        with measure.MemorySampler(DATABASE) as sampler:
            measure.query(self.control, "SELECT pg_stat_statements_reset()")
            cost = measure.run(command, environment, sampler)
        count = measure.statements(self.control, DATABASE)
        wal, tuples = writing.since()
        traffic = self.nginx.traffic()
        return {
            **cost._asdict(),
            "requests": traffic.requests,
            "bytes": traffic.bytes,
            "statements": count,
            "wal": wal,
            "tuples": tuples,
            "client_memory": sampler.client().resident,
            "private_memory": sampler.backend_above_idle().private,
            "resident_memory": sampler.backend_above_idle().resident,
        }

    def tidy_up(self):
        """Do what autovacuum, which is off so that it does not interfere, would do."""
        pid = measure.postmaster_pid()
        processes = measure.children(pid)
        connection = measure.connect(DATABASE)
        measure.query(connection, "VACUUM (ANALYZE)")
        connection.close()
        measure.wait_for_end(pid, processes)

    def check_rows(self, contestant, tracks, scenario):
        """Nobody is measured doing the work wrong."""
        connection = measure.connect(DATABASE)
        rows = measure.query(connection, contestant.count_rows)
        connection.close()
        expected = (tracks, churned(tracks) if scenario == CHURN else 0)
        if rows != expected:
            raise RuntimeError(
                "%s, %s: active and inactive rows are %s, not %s"
                % (contestant.name, scenario, rows, expected)
            )


def main():
    # Whoever ends the benchmark ends its servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    start = time.monotonic()
    bench = Bench(os.environ["WORKPLACE"])
    try:
        bench.run()
    finally:
        bench.stop()
    print("measured for %.0f minutes" % ((time.monotonic() - start) / 60), flush=True)


if __name__ == "__main__":
    main()
