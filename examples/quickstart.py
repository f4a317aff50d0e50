#!/usr/bin/env python3
"""A first hour with OmenDB from Python: psycopg 3 and pgvector-python, every answer checked.

    pip install "psycopg[binary]" pgvector numpy
    export PGPASSWORD=...                      # what the first `make run` printed
    examples/quickstart.py                     # random unit vectors
    examples/quickstart.py base.npy query.npy  # your own vectors, one row each
    examples/quickstart.py --generate 5000     # so many of them

A CSV file of metadata (`row,registry,name,month,downloads`, one line a vector) is read with `--meta FILE`, or found beside
`X_base.npy` as `X_meta.csv`; without one the columns are made up. The script works in a schema of its own and runs
unchanged against PostgreSQL with pgvector.
"""

import argparse
import csv
import os
import time
from pathlib import Path

import numpy as np
import psycopg
from pgvector.psycopg import register_vector
from psycopg import sql

NEAREST = 10
# Distances are sums of a few hundred float32 products; two orders of addition differ by less than this.
TOLERANCE = 1e-4
# pgvector's operators and the same distances in numpy, of queries (one a row) to all vectors.
METRICS = {
    "<->": lambda queries, base: np.sqrt(
        np.maximum((queries**2).sum(1)[:, None] + (base**2).sum(1)[None, :] - 2 * queries @ base.T, 0)
    ),
    "<#>": lambda queries, base: -(queries @ base.T),
    "<=>": lambda queries, base: 1
    - (queries @ base.T) / np.linalg.norm(queries, axis=1)[:, None] / np.linalg.norm(base, axis=1)[None, :],
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", nargs="?", type=Path, help=".npy file of vectors to load")
    parser.add_argument("query", nargs="?", type=Path, help=".npy file of vectors to search for")
    parser.add_argument("--meta", type=Path, help="CSV file of metadata, one line a vector")
    parser.add_argument("--generate", type=int, metavar="N", help="make N random unit vectors instead of reading files")
    parser.add_argument("--queries", type=int, metavar="N", help="search for the first N query vectors only")
    parser.add_argument(
        "--dsn",
        default=os.environ.get("DATABASE_URL", "postgresql://omendb@127.0.0.1:5433/omendb"),
        help="connection string; default $DATABASE_URL, else %(default)s",
    )
    return parser.parse_args()


def unit_vectors(rng, count, dims=384):
    vectors = rng.standard_normal((count, dims), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def as_array(value):
    """What pgvector-python reads: an array, from 0.5 on a Vector."""
    return value.to_numpy() if hasattr(value, "to_numpy") else np.asarray(value, dtype=np.float32)


def made_up(row):
    return ("pypi" if row % 3 else "npm", f"package-{row}", f"2024-{row % 12 + 1:02}-01", row * 7 if row % 5 else None)


def read_meta(path, count):
    with path.open(newline="") as file:
        for line, row in zip(csv.DictReader(file), range(count)):
            month = line["month"] and line["month"] + "-01"
            yield line["registry"], line["name"], month or None, int(line["downloads"]) if line["downloads"] else None


def data(args):
    """Vectors to load, vectors to search for, metadata."""
    rng = np.random.default_rng(1)
    base_path = args.base
    if args.generate or base_path is None:
        count = args.generate or 10_000
        base, queries, meta = unit_vectors(rng, count), unit_vectors(rng, 100), None
        print(f"made {count} random unit vectors")
    else:
        base = np.load(base_path).astype(np.float32)
        query_path = args.query or base_path.with_name(base_path.name.replace("_base", "_query"))
        found = query_path != base_path and query_path.exists()
        queries = np.load(query_path).astype(np.float32) if found else base[:: max(1, len(base) // 100)] + 0.01
        meta = args.meta or base_path.with_name(base_path.name.replace("_base.npy", "_meta.csv"))
        print(f"read {len(base)} vectors of {base.shape[1]} dimensions")
    if args.queries:
        queries = queries[: args.queries]
    if meta is not None and meta.suffix == ".csv" and meta.exists():
        return base, queries, list(read_meta(meta, len(base)))
    return base, queries, [made_up(row) for row in range(len(base))]


def create(conn, dims):
    conn.execute("CREATE EXTENSION IF NOT EXISTS vector")
    register_vector(conn)
    conn.execute("DROP SCHEMA IF EXISTS quickstart CASCADE")
    conn.execute("CREATE SCHEMA quickstart")
    conn.execute("SET search_path TO quickstart, public")
    conn.execute(
        sql.SQL(
            """
            CREATE TABLE items (
                id bigint PRIMARY KEY,
                registry text NOT NULL,
                name text NOT NULL,
                month date,
                downloads bigint CHECK (downloads >= 0),
                embedding vector({dims}) NOT NULL
            )
            """
        ).format(dims=sql.Literal(dims))
    )
    conn.execute("CREATE INDEX items_registry ON items (registry, month)")


def load(conn, base, meta):
    """Binary COPY: the vectors' bytes go to the server as they are."""
    start = time.perf_counter()
    with conn.cursor() as cursor:
        with cursor.copy(
            "COPY items (id, registry, name, month, downloads, embedding) FROM STDIN WITH (FORMAT binary)"
        ) as copy:
            copy.set_types(["int8", "text", "text", "date", "int8", "vector"])
            for row, (vector, (registry, name, month, downloads)) in enumerate(zip(base, meta)):
                copy.write_row((row, registry, name, np.datetime64(month).item() if month else None, downloads, vector))
    conn.commit()
    seconds = time.perf_counter() - start
    (count,) = conn.execute("SELECT count(*) FROM items").fetchone()
    assert count == len(base), (count, len(base))
    # What was stored is what was sent.
    for row in (0, len(base) // 2, len(base) - 1):
        (stored,) = conn.execute("SELECT embedding FROM items WHERE id = %s", (row,)).fetchone()
        assert np.array_equal(as_array(stored), base[row])
    print(f"loaded {count} rows in {seconds:.1f} s ({count / seconds:,.0f} rows/s)")


def same_neighbours(found, distances):
    """Whether `found`, rows of (id, distance), are the nearest: the same distances as numpy's, equal up to ties."""
    nearest = np.sort(np.partition(distances, len(found) - 1)[: len(found)])
    ids = [row for row, _ in found]
    assert len(set(ids)) == len(ids), f"a row came twice: {ids}"
    np.testing.assert_allclose([distance for _, distance in found], distances[ids], atol=TOLERANCE)
    np.testing.assert_allclose([distance for _, distance in found], nearest, atol=TOLERANCE)
    assert all(left <= right for (_, left), (_, right) in zip(found, found[1:])), "not in order"


def search(conn, base, queries):
    """The ten nearest of every query vector against numpy, by each distance."""
    wanted = min(NEAREST, len(base))
    for operator, distances_of in METRICS.items():
        statement = f"SELECT id, embedding {operator} %s FROM items ORDER BY embedding {operator} %s LIMIT {wanted}"
        seconds = 0.0
        for first in range(0, len(queries), 100):
            some = queries[first : first + 100]
            for query, distances in zip(some, distances_of(some, base)):
                start = time.perf_counter()
                found = conn.execute(statement, (query, query), binary=True).fetchall()
                seconds += time.perf_counter() - start
                assert len(found) == wanted
                same_neighbours(found, distances)
        print(f"{operator}: {len(queries)} queries agree with numpy, {1000 * seconds / len(queries):.1f} ms each")


def filter_rows(conn, base, queries, meta):
    """Nearest among the rows that a condition on other columns leaves."""
    query = queries[0]
    distances = METRICS["<->"](queries[:1], base)[0]
    chosen = np.array([row for row, columns in enumerate(meta) if columns[0] == "npm"])
    found = conn.execute(
        "SELECT id, embedding <-> %s FROM items WHERE registry = %s ORDER BY 2 LIMIT 5", (query, "npm")
    ).fetchall()
    assert len(found) == min(5, len(chosen))
    assert {row for row, _ in found} <= set(chosen.tolist())
    np.testing.assert_allclose([d for _, d in found], np.sort(distances[chosen])[:5], atol=TOLERANCE)
    # Everything within a distance.
    radius = float(np.sort(distances)[min(20, len(base) - 1)] + 1e-3)
    (within,) = conn.execute("SELECT count(*) FROM items WHERE embedding <-> %s < %s", (query, radius)).fetchone()
    assert abs(within - int((distances < radius).sum())) <= 1
    # Groups, and a mean vector of each.
    expected = {}
    for row, columns in enumerate(meta):
        expected.setdefault(columns[0], []).append(row)
    groups = conn.execute(
        "SELECT registry, count(*), max(downloads), avg(embedding) FROM items GROUP BY registry ORDER BY registry"
    ).fetchall()
    assert [group[:2] for group in groups] == sorted((name, len(rows)) for name, rows in expected.items())
    for registry, _, downloads, mean in groups:
        rows = expected[registry]
        assert downloads == max((meta[row][3] for row in rows if meta[row][3] is not None), default=None)
        np.testing.assert_allclose(as_array(mean), base[rows].mean(axis=0), atol=TOLERANCE)
    print(f"filter, range and group-by agree with numpy ({len(groups)} groups)")


def join(conn, base, queries, meta):
    """A second table, filled from the first, joined to it and to itself."""
    conn.execute("CREATE TABLE registries (code text PRIMARY KEY, title text NOT NULL)")
    conn.execute("INSERT INTO registries SELECT DISTINCT registry, initcap(registry) FROM items")
    conn.execute("ALTER TABLE items ADD FOREIGN KEY (registry) REFERENCES registries (code)")
    found = conn.execute(
        """
        SELECT i.id, r.title, i.embedding <=> %(query)s AS distance
        FROM items i JOIN registries r ON r.code = i.registry
        ORDER BY distance LIMIT 5
        """,
        {"query": queries[0]},
    ).fetchall()
    assert [title for _, title, _ in found] == [meta[row][0].title() for row, _, _ in found]
    same_neighbours([(row, distance) for row, _, distance in found], METRICS["<=>"](queries[:1], base)[0])
    # The nearest other item of each of three items: a correlated subquery in the FROM clause.
    pairs = conn.execute(
        """
        SELECT a.id, b.id, b.distance
        FROM items a CROSS JOIN LATERAL (
            SELECT id, embedding <-> a.embedding AS distance FROM items WHERE id <> a.id ORDER BY 2 LIMIT 1
        ) b
        WHERE a.id IN (0, 1, 2) ORDER BY a.id
        """
    ).fetchall()
    assert [row for row, _, _ in pairs] == [0, 1, 2]
    for row, _, distance in pairs:
        others = np.delete(METRICS["<->"](base[row : row + 1], base)[0], row)
        # Subtracting squares loses digits near zero, so numpy's own error decides the tolerance.
        assert abs(distance - others.min()) < 2e-3, (distance, others.min())
    conn.commit()
    print("joins agree with numpy")


def change(conn, dsn, base):
    """Updates, deletes, constraints, and what a rollback leaves: nothing."""
    replaced = -base[0]
    updated = conn.execute(
        "UPDATE items SET embedding = %s, downloads = coalesce(downloads, 0) + 1 WHERE id = 0 RETURNING id, downloads",
        (replaced,),
    ).fetchall()
    assert len(updated) == 1
    (nearest,) = conn.execute("SELECT id FROM items ORDER BY embedding <-> %s LIMIT 1", (replaced,)).fetchone()
    assert nearest == 0, "a transaction sees its own changes"
    with psycopg.connect(dsn) as other:
        register_vector(other)
        (seen,) = other.execute("SELECT embedding FROM quickstart.items WHERE id = 0").fetchone()
        assert np.array_equal(as_array(seen), base[0]), "others do not see them before the commit"
    conn.commit()

    deleted = conn.execute("DELETE FROM items WHERE id >= %s", (len(base) - 10,)).rowcount
    assert deleted == 10
    conn.rollback()
    assert conn.execute("SELECT count(*) FROM items").fetchone() == (len(base),), "a rollback brings rows back"
    assert conn.execute("DELETE FROM items WHERE id = 1").rowcount == 1
    conn.commit()
    assert conn.execute("SELECT count(*) FROM items").fetchone() == (len(base) - 1,)

    try:
        with conn.transaction():  # a savepoint, since a transaction is open
            conn.execute("INSERT INTO items SELECT id + 1, registry, name, month, downloads, embedding FROM items")
        raise AssertionError("the primary key lets a value in twice")
    except psycopg.errors.UniqueViolation:
        pass
    try:
        with conn.transaction():
            conn.execute("INSERT INTO items VALUES (-1, 'pypi', 'short', NULL, NULL, '[1,2,3]')")
        raise AssertionError("a vector of other dimensions was stored")
    except psycopg.errors.DataException as error:
        assert error.diag.message_primary == f"expected {base.shape[1]} dimensions, not 3"
    assert conn.execute("SELECT count(*) FROM items").fetchone() == (len(base) - 1,)

    upsert = """
        INSERT INTO items (id, registry, name, embedding) VALUES (%s, %s, 'again', %s)
        ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING name, downloads IS NOT NULL
    """
    (registry,) = conn.execute("SELECT registry FROM items WHERE id = 0").fetchone()
    assert conn.execute(upsert, (0, registry, replaced)).fetchone() == ("again", True)
    conn.commit()
    print("update, delete, rollback, constraints and upsert behave")


def main():
    args = arguments()
    base, queries, meta = data(args)
    with psycopg.connect(args.dsn) as conn:
        create(conn, base.shape[1])
        load(conn, base, meta)
        search(conn, base, queries)
        filter_rows(conn, base, queries, meta)
        join(conn, base, queries, meta)
        change(conn, args.dsn, base)
        conn.execute("DROP SCHEMA quickstart CASCADE")
    print("all checks passed")


if __name__ == "__main__":
    main()
