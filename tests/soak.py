#!/usr/bin/env python3
"""Hours of what production does to a table with vector indexes, and after each round a count of every row.

    pip install "psycopg[binary]" numpy
    tests/soak.py [--binary target/release/omendb] [--seconds N] [--seed N] [--workers N] [--rows N] [--dimensions N]

Workers insert, COPY, update, delete, roll back and search rows of one table, each its own rows, beside each other. A row's vector
follows from its id and version, so a row that is mixed from two versions shows by itself. A round ends by kill -9, by SIGTERM, or
goes on over a REINDEX CONCURRENTLY or a VACUUM; then no row may be lost, come back, or be of another version than the last one that
was acknowledged (a statement whose answer never came may have happened or not), a search by each index to its end returns every
row once and in order, searches with conditions find what comparing all rows finds, and omendb_check() has nothing to say.
"""
import argparse, os, random, signal, tempfile, threading, time
import numpy
import psycopg
from server import Server

KINDS = ["kill", "kill", "terminate", "reindex", "vacuum"]
CATEGORIES = 20
# Searches with conditions compare this many rows with what comparing all rows finds; so much of it must be there.
PROBES, RECALL = 30, 0.9


class Soak:
    def __init__(self, options, home):
        self.options, self.data = options, os.path.join(home, "data")
        self.server = Server(options.binary, os.path.join(home, "log"))
        self.random = random.Random(options.seed)
        self.centers = numpy.random.default_rng(options.seed).normal(size=(64, options.dimensions))
        # Of each worker: what is committed, id -> (version, category), and what a statement without an answer may have made of an id.
        self.committed = [{} for _ in range(options.workers)]
        self.open = [{} for _ in range(options.workers)]
        self.next_id = list(range(options.workers))
        self.over, self.ending = threading.Event(), threading.Event()
        self.errors, self.statements = [], 0

    def vector(self, row, version):
        noise = numpy.random.default_rng((row, version))
        return self.centers[(row + version) % len(self.centers)] + 0.5 * noise.normal(size=self.options.dimensions)

    def text(self, row, version):
        return "[" + ",".join(f"{value:.5g}" for value in self.vector(row, version)) + "]"

    def set_up(self):
        with self.server.connect() as session:
            session.execute("create extension vector")
            session.execute(
                f"create table t (id int primary key, version int, cat int, v vector({self.options.dimensions}))")
            session.execute("create index by_cosine on t using hnsw (v vector_cosine_ops) include (cat)")
            session.execute(
                f"create index by_half on t using hnsw ((v::halfvec({self.options.dimensions})) halfvec_l2_ops)")

    # What a worker does. Each returns what it makes of which ids: (version, category), or None where they go.

    def fresh(self, worker, count):
        first = self.next_id[worker]
        self.next_id[worker] += count * self.options.workers
        return range(first, self.next_id[worker], self.options.workers)

    def insert(self, worker, session, chance):
        rows = {row: (0, chance.randrange(CATEGORIES)) for row in self.fresh(worker, chance.choice([1, 1, 1, 20]))}
        values = ",".join(f"({row}, 0, {cat}, '{self.text(row, 0)}')" for row, (_, cat) in rows.items())
        return rows, lambda: session.execute("insert into t values " + values)

    def copy(self, worker, session, chance):
        rows = {row: (0, chance.randrange(CATEGORIES)) for row in self.fresh(worker, 300)}

        def run():
            with session.cursor() as cursor, cursor.copy("copy t from stdin") as copy:
                for row, (_, cat) in rows.items():
                    copy.write_row((row, 0, cat, self.text(row, 0)))
        return rows, run

    def some(self, worker, chance, count):
        mine = list(self.committed[worker])
        return chance.sample(mine, min(count, len(mine)))

    def update(self, worker, session, chance):
        rows = {row: self.committed[worker][row] for row in self.some(worker, chance, 1)}
        rows = {row: (version + 1, cat) for row, (version, cat) in rows.items()}

        def run():
            for row, (version, _) in rows.items():
                session.execute("update t set version = %s, v = %s where id = %s", (version, self.text(row, version), row))
        return rows, run

    def categorize(self, worker, session, chance):
        rows = {row: self.committed[worker][row] for row in self.some(worker, chance, 5)}
        rows = {row: (version, chance.randrange(CATEGORIES)) for row, (version, _) in rows.items()}

        def run():
            with session.transaction():
                for row, (_, cat) in rows.items():
                    session.execute("update t set cat = %s where id = %s", (cat, row))
        return rows, run

    def delete(self, worker, session, chance):
        # As many as came, once there are enough.
        more = len(self.committed[worker]) * self.options.workers > self.options.rows
        ids = self.some(worker, chance, chance.choice([1, 10, 400]) if more else 1)
        return dict.fromkeys(ids), lambda: session.execute("delete from t where id = any(%s)", (ids,))

    def roll_back(self, worker, session, chance):
        doing = chance.choice([self.insert, self.copy, self.update, self.categorize, self.delete])
        rows, change = doing(worker, session, chance)

        def run():
            with session.transaction(force_rollback=True):
                change()
                found = session.execute("select count(*) from t where id = any(%s)", (list(rows),)).fetchone()[0]
                expected = sum(after is not None for after in rows.values())
                if found != expected:
                    self.errors.append(f"a transaction sees {found} of its {expected} rows")
        return {}, run

    def search(self, worker, session, chance):
        row, condition = chance.randrange(1, 1 << 20), chance.choice(["", "where cat < 3", "where cat = 7"])
        query = f"select id, version, v <=> %s::vector from t {condition} order by v <=> %s::vector limit 20"

        def run():
            target = self.text(row, 0)
            found = session.execute(query, (target, target)).fetchall()
            distances = [distance for _, _, distance in found]
            if len({row for row, _, _ in found}) < len(found) or distances != sorted(distances):
                self.errors.append(f"a search returns rows twice or out of order: {found}")
        return {}, run

    def work(self, worker, seed):
        chance = random.Random(seed)
        weights = [(self.insert, 30), (self.copy, 2), (self.update, 20), (self.categorize, 10), (self.delete, 12),
                   (self.roll_back, 6), (self.search, 20)]
        try:
            session = self.server.connect()
            while not self.over.is_set():
                doing = chance.choices([doing for doing, _ in weights], [weight for _, weight in weights])[0]
                rows, run = doing(worker, session, chance)
                self.open[worker] = rows
                run()
                self.settle(worker, rows)
                self.open[worker] = {}
                self.statements += 1
        except psycopg.OperationalError as gone:
            if not self.ending.is_set():
                self.errors.append(f"a session ended: {gone}")
        except Exception as error:
            self.errors.append(repr(error))

    def settle(self, worker, rows):
        for row, after in rows.items():
            if after is None:
                self.committed[worker].pop(row, None)
            else:
                self.committed[worker][row] = after

    # What must be true after a round.

    def check(self):
        with self.server.connect() as session:
            for (problem,) in session.execute("select omendb_check()::text").fetchall():
                self.errors.append(f"omendb_check(): {problem}")
            rows = session.execute("select id, version, cat, v::text from t").fetchall()
            there = {row: (version, cat) for row, version, cat, _ in rows}
            self.compare(there)
            for row, version, _, text in self.random.sample(rows, min(500, len(rows))):
                stored = numpy.array(text[1:-1].split(","), dtype=numpy.float32)
                if not numpy.allclose(stored, self.vector(row, version), rtol=1e-3, atol=1e-3):
                    self.errors.append(f"row {row} has not the vector of its version {version}")
            self.check_searches(session, there)
        return len(there)

    def compare(self, there):
        for worker, committed in enumerate(self.committed):
            outcomes = set()
            for row, after in self.open[worker].items():
                # A statement happened as a whole or not at all.
                before, now = committed.get(row), there.get(row)
                if now != after and now != before:
                    self.errors.append(f"row {row} is {now}, was {before}, was to be {after}")
                if before != after:
                    outcomes.add(now == after)
            if len(outcomes) > 1:
                self.errors.append("a statement happened in part")
            if True in outcomes:
                self.settle(worker, self.open[worker])
            self.open[worker] = {}
        expected = {row: after for committed in self.committed for row, after in committed.items()}
        wrong = [row for row in expected.keys() | there.keys() if expected.get(row) != there.get(row)]
        for row in wrong[:5]:
            self.errors.append(f"row {row} is {there.get(row)} and not {expected.get(row)} ({len(wrong)} rows are wrong)")

    def check_searches(self, session, there):
        half = f"halfvec({self.options.dimensions})"
        orders = ["v <=> %s::vector", f"v::{half} <-> %s::{half}"]
        session.execute("set enable_seqscan = off")
        for order in orders:
            target = self.text(self.random.randrange(1 << 20), 0)
            query = f"select id, {order} from t order by {order} limit 10000000"
            found, distances = zip(*session.execute(query, (target, target)))
            if len(found) != len(there) or set(found) != there.keys() or list(distances) != sorted(distances):
                self.errors.append(f"a search by {order} to its end returns {len(found)} rows of {len(there)}, or out of order")
        session.execute("set hnsw.ef_search = 100")
        hits = wanted = 0
        for _ in range(PROBES):
            target, cats = self.text(self.random.randrange(1 << 20), 0), self.random.sample(range(CATEGORIES), 3)
            for order in orders:
                query = f"select id from t where cat = any(%s) order by {order} limit 10"
                answers = []
                for by_index in ("on", "off"):
                    session.execute(f"set enable_indexscan = {by_index}")
                    answers.append({row for (row,) in session.execute(query, (cats, target))})
                if any(there[row][1] not in cats for row in answers[0]):
                    self.errors.append("a search returns rows that its condition leaves out")
                if len(answers[0]) < len(answers[1]):
                    self.errors.append(f"a search returns {len(answers[0])} rows of {len(answers[1])}")
                hits, wanted = hits + len(answers[0] & answers[1]), wanted + len(answers[1])
        if hits < RECALL * wanted:
            self.errors.append(f"searches find {hits} of {wanted}")

    def round(self, kind):
        self.over.clear()
        self.ending.clear()
        seeds = [self.random.randrange(1 << 30) for _ in self.committed]
        threads = [threading.Thread(target=self.work, args=each, daemon=True) for each in enumerate(seeds)]
        for thread in threads:
            thread.start()
        time.sleep(self.random.uniform(3, 12))
        if kind in ("reindex", "vacuum"):
            with self.server.connect() as session:
                index = self.random.choice(["by_cosine", "by_half"])
                session.execute(f"reindex index concurrently {index}" if kind == "reindex" else "vacuum t")
            time.sleep(1)
        else:
            self.ending.set()
            code = self.server.end(signal.SIGKILL if kind == "kill" else signal.SIGTERM)
            if kind == "terminate" and code != 0:
                self.errors.append(f"the server ended with {code}")
        self.over.set()
        for thread in threads:
            thread.join()
        if self.ending.is_set():
            self.server.start(self.data)
        return self.check()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--binary", default="target/release/omendb")
    options.add_argument("--seconds", type=int, default=600)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--workers", type=int, default=4)
    options.add_argument("--rows", type=int, default=50_000)
    options.add_argument("--dimensions", type=int, default=96)
    options = options.parse_args()
    with tempfile.TemporaryDirectory() as home:
        soak, begin, number = Soak(options, home), time.monotonic(), 0
        soak.server.start(soak.data)
        try:
            soak.set_up()
            while time.monotonic() - begin < options.seconds and not soak.errors:
                kind = soak.random.choice(KINDS)
                rows = soak.round(kind)
                print(f"round {number}, {kind}: {rows} rows, {soak.statements} statements so far", flush=True)
                number += 1
        finally:
            soak.server.end(signal.SIGKILL)
    for error in soak.errors[:20]:
        print(error)
    raise SystemExit(1 if soak.errors else 0)


if __name__ == "__main__":
    main()
