#!/usr/bin/env python3
"""OmenDB from asyncpg: a pool, prepared statements, binary COPY, transactions, cancellation.

    pip install asyncpg pgvector numpy
    export PGPASSWORD=...                 # what the first `make run` printed
    examples/asyncpg_example.py [DSN]     # default $DATABASE_URL, else postgresql://omendb@127.0.0.1:5433/omendb
"""

import asyncio
import os
import sys
import time

import asyncpg
import numpy as np
from pgvector.asyncpg import register_vector

DSN = os.environ.get("DATABASE_URL", "postgresql://omendb@127.0.0.1:5433/omendb")
SCHEMA = "asyncpg_example"


async def prepare_connection(conn):
    await conn.execute(f"SET search_path TO {SCHEMA}, public")
    await register_vector(conn)


async def fill(conn, vectors):
    await conn.execute("CREATE TABLE items (id int PRIMARY KEY, tags text[], info jsonb, embedding vector(64))")
    rows = [(i, [f"t{i % 4}", "all"], f'{{"parity": {i % 2}}}', v) for i, v in enumerate(vectors)]
    await conn.copy_records_to_table("items", schema_name=SCHEMA, records=rows)
    assert await conn.fetchval("SELECT count(*) FROM items") == len(vectors)


async def nearest(pool, vectors):
    """Many clients at once, each with a prepared statement, checked against numpy."""

    async def one(row):
        async with pool.acquire() as conn:
            statement = await conn.prepare(
                "SELECT id, embedding <-> $1 AS distance FROM items WHERE tags @> $2 ORDER BY distance LIMIT $3"
            )
            found = await statement.fetch(vectors[row], [f"t{row % 4}"], 5)
            distances = np.linalg.norm(vectors - vectors[row], axis=1)
            expected = np.sort(distances[row % 4 :: 4])[:5]
            assert found[0]["id"] == row
            np.testing.assert_allclose([record["distance"] for record in found], expected, atol=1e-4)

    await asyncio.gather(*(one(row) for row in range(40)))
    print("40 searches over a pool agree with numpy")


async def transactions(conn):
    try:
        async with conn.transaction():
            await conn.execute("UPDATE items SET info = info || '{\"seen\": true}' WHERE id < 10")
            assert await conn.fetchval("SELECT count(*) FROM items WHERE info @> '{\"seen\": true}'") == 10
            raise InterruptedError
    except InterruptedError:
        pass
    assert await conn.fetchval("SELECT count(*) FROM items WHERE info ? 'seen'") == 0
    async with conn.transaction():
        rows = [record["id"] async for record in conn.cursor("SELECT id FROM items ORDER BY id", prefetch=50)]
    assert rows == list(range(len(rows)))
    await conn.executemany("DELETE FROM items WHERE id = $1", [(0,), (1,), (2,)])
    assert await conn.fetchval("SELECT min(id) FROM items") == 3
    try:
        await conn.execute("INSERT INTO items (id) VALUES (3)")
        raise AssertionError("the primary key lets a value in twice")
    except asyncpg.UniqueViolationError as error:
        assert error.constraint_name == "items_pkey"
    print("transactions, cursors, batches and errors behave")


async def cancellation(conn):
    start = time.perf_counter()
    try:
        await conn.fetch("SELECT pg_sleep(60)", timeout=0.2)
        raise AssertionError("a cancelled statement answered")
    except TimeoutError:
        pass
    assert time.perf_counter() - start < 5
    assert await conn.fetchval("SELECT 1") == 1
    print("a cancelled statement stops and the connection goes on")


async def main():
    dsn = sys.argv[1] if len(sys.argv) > 1 else DSN
    conn = await asyncpg.connect(dsn)
    await conn.execute("CREATE EXTENSION IF NOT EXISTS vector")
    await conn.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA}")
    vectors = np.random.default_rng(2).standard_normal((1000, 64), dtype=np.float32)
    await prepare_connection(conn)
    await fill(conn, vectors)
    # `setup` runs at every acquisition: asyncpg resets a connection's settings when it is given back.
    async with asyncpg.create_pool(dsn, min_size=2, max_size=4, setup=prepare_connection) as pool:
        await nearest(pool, vectors)
    await transactions(conn)
    await cancellation(conn)
    await conn.execute(f"DROP SCHEMA {SCHEMA} CASCADE")
    await conn.close()
    print("all checks passed")


if __name__ == "__main__":
    asyncio.run(main())
