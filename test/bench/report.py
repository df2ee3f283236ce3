"""Turns the measurements of bench.py into the tables of README.md."""

import json
import statistics
import sys
from collections import defaultdict
from typing import NamedTuple, Optional

from contestants import CONTESTANTS, FIRST, FULL_SCAN, SCENARIOS, UNCHANGED

US, FLOOR, CLASSICAL, PGSQL_HTTP = "spotify_etl", "curl", "classical", "pgsql-http"
MEGABYTE = 1e6
KILOBYTES_OF_MEGABYTE = 1024


class Results:
    """All measurements, to be asked for one number at a time; None if there is none."""

    def __init__(self, lines):
        self._timed = defaultdict(list)
        self._counted = {}
        self.sizes, self.latencies = [], []
        for line in lines:
            self._add(json.loads(line))

    def _add(self, result):
        key = (result["contestant"], result["tracks"], result["scenario"])
        if result["tracks"] not in self.sizes:
            self.sizes.append(result["tracks"])
        if result["kind"] == "counted":
            self._counted[key] = result
            return
        if result["latency"] not in self.latencies:
            self.latencies.append(result["latency"])
        self._timed[key + (result["latency"],)].append(result)

    def has(self, name, tracks, scenario):
        return (name, tracks, scenario) in self._counted

    def counted(self, name, tracks, scenario, what):
        result = self._counted.get((name, tracks, scenario))
        return result and result[what]

    def timed(self, name, tracks, scenario, latency):
        return self._timed.get((name, tracks, scenario, latency), [])

    def wall(self, name, tracks, scenario, latency):
        """Return the median wall time."""
        times = [each["wall"] for each in self.timed(name, tracks, scenario, latency)]
        return statistics.median(times) if times else None

    def cpu(self, name, tracks, scenario, latency):
        """Return the median CPU time of client and server."""
        times = [
            each["client_cpu"] + each["server_cpu"]
            for each in self.timed(name, tracks, scenario, latency)
        ]
        return statistics.median(times) if times else None


def ratio(one, other):
    return None if one is None or not other else one / other


def number(value, digits=0):
    return "" if value is None else "{:,.{}f}".format(value, digits)


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("| " + " | ".join(["---"] * len(head)) + " |")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def cell_of_time(results, name, tracks, scenario, latency):
    wall = results.wall(name, tracks, scenario, latency)
    if wall is None:
        return ["", ""]
    ours = results.wall(US, tracks, scenario, latency)
    runs = len(results.timed(name, tracks, scenario, latency))
    most = len(results.timed(US, tracks, scenario, latency))
    mark = " (once)" if runs == 1 < most else ""
    return [number(wall, 2) + mark, number(ratio(wall, ours), 2)]


def row_of(results, contestant, tracks, scenario):
    name = contestant.name

    def counted(what, scale=1, digits=0):
        value = results.counted(name, tracks, scenario, what)
        return number(None if value is None else value / scale, digits)

    row = [scenario, contestant.label]
    for latency in results.latencies:
        row += cell_of_time(results, name, tracks, scenario, latency)
    cpu = results.cpu(name, tracks, scenario, results.latencies[0])
    return row + [
        number(cpu, 2),
        counted("requests"),
        counted("bytes", MEGABYTE, 2),
        counted("statements"),
        counted("wal", MEGABYTE, 2),
        counted("tuples"),
        counted("private_memory", KILOBYTES_OF_MEGABYTE),
        counted("client_memory", KILOBYTES_OF_MEGABYTE),
    ]


def print_size(results, tracks):
    head = ["", ""]
    for latency in results.latencies:
        head += ["s at %d ms" % latency, "ratio"]
    head += ["CPU s", "requests", "MB received", "statements", "WAL MB"]
    head += ["rows written", "backend MB", "client MB"]
    print("**{:,} tracks**\n".format(tracks))
    table(
        head,
        [
            row_of(results, contestant, tracks, scenario)
            for scenario in SCENARIOS
            for contestant in CONTESTANTS
            if results.has(contestant.name, tracks, scenario)
        ],
    )


class Goal(NamedTuple):
    """Something that is to hold; measured is None if it was not."""

    text: str
    bound: float
    is_maximum: bool
    measured: Optional[float]
    digits: int = 2

    def row(self):
        bound = "%s %s" % ("at most" if self.is_maximum else "at least", self.bound)
        if self.measured is None:
            return [self.text, bound, "", "not measured"]
        is_kept = (
            self.measured <= self.bound
            if self.is_maximum
            else self.measured >= self.bound
        )
        measured = number(self.measured, self.digits)
        return [self.text, bound, measured, "pass" if is_kept else "FAIL"]


def worst(choose, values):
    known = [each for each in values if each is not None]
    return choose(known) if known else None


def goals_against_others(results):
    def times(other, scenario, latency):
        return ratio(
            results.wall(other, 10000, scenario, latency),
            results.wall(US, 10000, scenario, latency),
        )

    floor = times(FLOOR, FIRST, 50)
    yield Goal(
        "10,000 tracks, first load, 50 ms: times curl's time", 1.5, True, ratio(1, floor)
    )
    for scenario, latency, bound in ((FIRST, 50, 7), (FIRST, 0, 3), (UNCHANGED, 50, 50)):
        yield Goal(
            "10,000 tracks, %s, %d ms: times faster than the classical way"
            % (scenario, latency),
            bound,
            False,
            times(CLASSICAL, scenario, latency),
        )
    yield Goal(
        "everywhere: times faster than pgsql-http, at the worst",
        1,
        False,
        worst(
            min,
            [
                ratio(
                    results.wall(PGSQL_HTTP, tracks, scenario, latency),
                    results.wall(US, tracks, scenario, latency),
                )
                for tracks in results.sizes
                for scenario in SCENARIOS
                for latency in results.latencies
            ],
        ),
    )


def goals_of_growth(results):
    def growth(scenario, latency):
        return ratio(
            results.wall(US, 100000, scenario, latency),
            results.wall(US, 10000, scenario, latency),
        )

    for latency in results.latencies:
        yield Goal(
            "first load, %d ms: time for 100,000 tracks, times that for 10,000" % latency,
            12,
            True,
            growth(FIRST, latency),
        )
    yield Goal(
        "first load: memory for 100,000 tracks, times that for 10,000",
        12,
        True,
        ratio(
            results.counted(US, 100000, FIRST, "private_memory"),
            results.counted(US, 10000, FIRST, "private_memory"),
        ),
    )
    for latency in results.latencies:
        yield Goal(
            "no change, %d ms: time for 100,000 tracks, times that for 10,000" % latency,
            2,
            True,
            growth(UNCHANGED, latency),
        )


def goals_of_cost(results):
    for tracks in (10000, 100000):
        yield Goal(
            "{:,} tracks, no change: requests".format(tracks),
            2,
            True,
            results.counted(US, tracks, UNCHANGED, "requests"),
            0,
        )
    yield Goal(
        "100,000 tracks, first load: MB above an idle backend",
        150,
        True,
        ratio(
            results.counted(US, 100000, FIRST, "private_memory"),
            KILOBYTES_OF_MEGABYTE,
        ),
        0,
    )
    for latency in results.latencies:
        first = results.wall(US, 10000, FIRST, latency)
        scan = results.wall(US, 10000, FULL_SCAN, latency)
        yield Goal(
            "10,000 new tracks, %d ms: what writing them adds, times a full scan's time"
            % latency,
            1,
            True,
            ratio(first - scan, scan) if first and scan else None,
        )


def main():
    with open(sys.argv[1], encoding="ascii") as file:
        results = Results(file)
    for tracks in results.sizes:
        print_size(results, tracks)
    goals = [
        *goals_against_others(results),
        *goals_of_growth(results),
        *goals_of_cost(results),
    ]
    table(["goal", "bound", "measured", ""], [goal.row() for goal in goals])


if __name__ == "__main__":
    main()
