"""What a command, and the server's processes that serve it, cost."""

import os
import subprocess
import threading
import time
from typing import NamedTuple

import psycopg2

SAMPLE_SECONDS = 0.005
TICKS = os.sysconf("SC_CLK_TCK")

# A check of a foreign key looks like this; PostgreSQL makes them row by row.
KEY_CHECK = "%FOR KEY SHARE OF x%"


class Cost(NamedTuple):
    """What one sync took, in seconds."""

    wall: float
    client_cpu: float
    server_cpu: float


class Memory(NamedTuple):
    """The most that was seen of a process's memory, in kilobytes.

    Private is what it shares with nobody. Resident counts the pages of the server's
    shared memory that it touched, too.
    """

    private: int
    resident: int


def connect(database):
    connection = psycopg2.connect(dbname=database, application_name="bench control")
    connection.autocommit = True
    return connection


def query(connection, statement, parameters=None):
    """Return the first row, or None where there is no result."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone() if cursor.description else None


def postmaster_pid():
    path = os.path.join(os.environ["PGDATA"], "postmaster.pid")
    with open(path, encoding="ascii") as file:
        return int(file.readline())


def cpu_of_ended_children(pid):
    """Return the CPU seconds of children of a process that have ended."""
    with open("/proc/%d/stat" % pid, encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / TICKS


def children(pid):
    """Return the ids of the processes that a process has started and that are there."""
    found = set()
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % name, encoding="ascii", errors="replace") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found.add(int(name))
    return found


def wait_for_end(pid, before):
    """Wait until a process has no other children than it had before."""
    while children(pid) - before:
        time.sleep(0.01)


def run(command, environment, sampler=None):
    """Run a command that must succeed; return its Cost."""
    pid = postmaster_pid()
    processes_before = children(pid)
    server_before = cpu_of_ended_children(pid)
    start = time.monotonic()
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    if sampler:
        sampler.watch_client(process.pid)
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        process.kill()
        raise
    wall = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if status != 0:
        raise subprocess.CalledProcessError(process.returncode, command)
    wait_for_end(pid, processes_before)
    return Cost(
        wall,
        usage.ru_utime + usage.ru_stime,
        cpu_of_ended_children(pid) - server_before,
    )


def memory_of(pid):
    """Return the Memory of a process; None if it has ended."""
    values = {}
    try:
        with open("/proc/%d/status" % pid, encoding="ascii", errors="replace") as file:
            for line in file:
                name, _, value = line.partition(":")
                if name in ("RssAnon", "VmHWM"):
                    values[name] = int(value.split()[0])
        return Memory(values["RssAnon"], values["VmHWM"])
    except (OSError, KeyError):
        return None


class MemorySampler:
    """Looks, again and again, at the memory of the client and of its backend."""

    FIND = (
        "SELECT pid FROM pg_stat_activity"
        " WHERE datname = %s AND backend_type = 'client backend'"
    )

    def __init__(self, database):
        self._database = database
        self._idle = self._idle_backend()
        self._control = self._client_pid = None
        self._peaks = {}
        self._is_ended = False
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self):
        self._control = connect("postgres")
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_ended = True
        self._thread.join()
        self._control.close()

    def watch_client(self, pid):
        self._client_pid = pid

    def client(self):
        """Return the client's Memory."""
        return self._peaks.get("client", Memory(0, 0))

    def backend_above_idle(self):
        """Return by how much the backend's Memory exceeded that of an idle one."""
        peak = self._peaks.get("backend", self._idle)
        return Memory(*(max(0, most - idle) for most, idle in zip(peak, self._idle)))

    def _idle_backend(self):
        connection = connect(self._database)
        memory = memory_of(query(connection, "SELECT pg_backend_pid()")[0])
        connection.close()
        return memory

    def _sample(self):
        backend_pid = None
        while not self._is_ended:
            time.sleep(SAMPLE_SECONDS)
            self._look("client", self._client_pid)
            if backend_pid is None:
                found = query(self._control, self.FIND, (self._database,))
                backend_pid = found and found[0]
            self._look("backend", backend_pid)

    def _look(self, who, pid):
        memory = memory_of(pid) if pid else None
        if memory:
            before = self._peaks.get(who, memory)
            self._peaks[who] = Memory(*map(max, before, memory))


class Writing:
    """What is written to a database between two looks at it."""

    TUPLES = (
        "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)"
        "  FROM pg_stat_user_tables"
    )

    def __init__(self, database):
        self._database = database
        self._before = self._look()

    def since(self):
        """Return bytes of WAL and tuples written since the first look."""
        return [int(now - before) for now, before in zip(self._look(), self._before)]

    def _look(self):
        connection = connect(self._database)
        if connection.server_version < 150000:
            time.sleep(1)  # the statistics collector takes its time
        wal = query(connection, "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        tuples = query(connection, self.TUPLES)
        connection.close()
        return wal[0], tuples[0]


def statements(control, database):
    """Return how many statements pg_stat_statements saw in a database.

    Those that functions run count, but not the checks of foreign keys.
    """
    statement = """
        SELECT coalesce(sum(calls), 0)::integer
          FROM pg_stat_statements
               JOIN pg_database ON pg_database.oid = dbid
         WHERE datname = %s AND query NOT LIKE %s
    """
    return query(control, statement, (database, KEY_CHECK))[0]
