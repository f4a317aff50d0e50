#!/usr/bin/env python3
"""Stop the machine under a loaded server, as far as its disk can tell, and look for every acknowledged commit.

    pip install "psycopg[binary]"
    tests/power_failure.py [--binary target/release/omendb] [--rounds N] [--lazy]

Needs root and Linux: the data directory lies on a file system of its own, in a file behind a loop device. Clients insert rows that a
vector index keeps, load tables so that logs are switched, and take values of a sequence. After some seconds the server is
stopped and that file is copied: it has what was written to the device, and nothing of what the page cache still keeps. A server
that is started on the copy must have every acknowledged row, no row without those that the same client put in before, and
give out greater values. The system is told not to write back by itself meanwhile; with --lazy the clients ask for
synchronous_commit = off, and rows are lost: that shows that the trial can fail.
"""
import argparse, os, random, signal, subprocess, tempfile, threading, time
import psycopg
from server import Server

CLIENTS = 4
WRITEBACK = "/proc/sys/vm/dirty_writeback_centisecs"


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


class Trial:
    def __init__(self, binary, home, lazy):
        self.server, self.lazy = Server(binary, os.path.join(home, "log")), lazy
        self.disk, self.copy, self.mount = (os.path.join(home, name) for name in ("disk", "copy", "mount"))
        os.mkdir(self.mount)
        self.acknowledged, self.values, self.over = {}, [], threading.Event()

    def connect(self):
        session = self.server.connect()
        if self.lazy:
            session.execute("set synchronous_commit = off")
        return session

    def start(self, image):
        # The file system's own journal is written out as rarely as can be.
        run("mount", "-o", "loop,commit=300", image, self.mount)
        self.server.start(self.mount + "/data")

    def stop(self):
        self.server.end(signal.SIGKILL)
        run("umount", self.mount)

    def insert(self, client):
        session, n = self.connect(), 0
        while not self.over.is_set():
            vector = str([random.random() for _ in range(64)])
            session.execute("insert into t values (%s, %s, %s)", (client, n, vector))
            self.acknowledged[client] = n
            n += 1

    def load(self, _):
        session = self.connect()
        while not self.over.is_set():
            with session.cursor() as cursor, cursor.copy("copy big (t) from stdin") as copy:
                for _ in range(300):
                    copy.write_row((os.urandom(4000).hex(),))

    def count(self, _):
        session = self.connect()
        while not self.over.is_set():
            self.values.append(session.execute("select nextval('s')").fetchone()[0])
            time.sleep(0.002)

    def until_the_end(self, work, client):
        try:
            work(client)
        except psycopg.OperationalError:
            pass  # The server was killed.

    def round(self):
        """Acknowledged rows, lost rows, rows missing before others, values that would come again."""
        self.acknowledged, self.values, self.over = {}, [], threading.Event()
        for image in (self.disk, self.copy):
            if os.path.exists(image):
                os.remove(image)
        run("truncate", "-s", "3G", self.disk)
        run("mkfs.ext4", "-q", "-F", self.disk)
        self.start(self.disk)
        with self.connect() as session:
            session.execute("create extension vector")
            session.execute("create table t (client int, n int, v vector(64), primary key (client, n))")
            session.execute("create index on t using hnsw (v vector_l2_ops)")
            session.execute("create table big (id serial, t text)")
            session.execute("create sequence s")
        run("sync")
        works = [(self.insert, client) for client in range(CLIENTS)] + [(self.load, 0), (self.count, 0)]
        threads = [threading.Thread(target=self.until_the_end, args=work, daemon=True) for work in works]
        for thread in threads:
            thread.start()
        time.sleep(random.uniform(4, 12))
        self.server.process.send_signal(signal.SIGSTOP)
        time.sleep(0.1)
        rows, values = dict(self.acknowledged), list(self.values)
        run("cp", self.disk, self.copy)
        self.over.set()
        self.server.process.kill()
        for thread in threads:
            thread.join()
        self.stop()
        self.start(self.copy)
        lost = holes = 0
        with self.connect() as session:
            for client, last in rows.items():
                query = "select count(*), coalesce(max(n), -1) from t where client = %s"
                count, highest = session.execute(query, (client,)).fetchone()
                lost, holes = lost + max(0, last - highest), holes + highest + 1 - count
            again = session.execute("select nextval('s')").fetchone()[0]
        self.stop()
        return sum(last + 1 for last in rows.values()), lost, holes, max(0, max(values, default=0) + 1 - again)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--binary", default="target/release/omendb")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--lazy", action="store_true")
    options = options.parse_args()
    with open(WRITEBACK) as file:
        before = file.read()
    total = 0
    with tempfile.TemporaryDirectory() as home:
        trial = Trial(options.binary, home, options.lazy)
        try:
            with open(WRITEBACK, "w") as file:
                file.write("0")
            for number in range(options.rounds):
                rows, lost, holes, again = trial.round()
                print(f"round {number}: {rows} rows acknowledged, {lost} lost, {holes} holes, {again} values again", flush=True)
                total += lost + holes + again
        finally:
            with open(WRITEBACK, "w") as file:
                file.write(before)
            subprocess.run(["umount", trial.mount], stderr=subprocess.DEVNULL)
    raise SystemExit(1 if total else 0)


if __name__ == "__main__":
    main()
