#!/usr/bin/env python3
"""OmenDB from SQLAlchemy Core: tables from metadata, vectors as a column type, reflection, transactions.

    pip install sqlalchemy "psycopg[binary]" pgvector numpy
    export PGPASSWORD=...                 # what the first `make run` printed
    examples/sqlalchemy_core.py [URL]     # default postgresql+psycopg://omendb@127.0.0.1:5433/omendb
"""

import sys
from datetime import datetime, timezone

import numpy as np
import sqlalchemy as sa
from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert

URL = "postgresql+psycopg://omendb@127.0.0.1:5433/omendb"

metadata = sa.MetaData(schema="sqlalchemy_core")
authors = sa.Table(
    "authors",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
    sa.Column("name", sa.String(50), nullable=False, unique=True),
)
documents = sa.Table(
    "documents",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("author_id", sa.ForeignKey(authors.c.id, ondelete="CASCADE"), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("tags", ARRAY(sa.Text), server_default="{}"),
    sa.Column("info", JSONB),
    sa.Column("price", sa.Numeric(10, 2), sa.CheckConstraint("price >= 0")),
    sa.Column("added", sa.DateTime(timezone=True), server_default=sa.func.now()),
    sa.Column("embedding", VECTOR(32)),
    sa.Column("small", HALFVEC(32)),
    sa.Index("documents_author_title", "author_id", "title"),
)


def create(engine):
    with engine.begin() as conn:
        conn.execute(sa.text("CREATE EXTENSION IF NOT EXISTS vector"))
        conn.execute(sa.text(f"DROP SCHEMA IF EXISTS {metadata.schema} CASCADE"))
        conn.execute(sa.schema.CreateSchema(metadata.schema))
    metadata.create_all(engine)
    metadata.create_all(engine)  # finds them there


def fill(engine, vectors):
    with engine.begin() as conn:
        names = [{"name": name} for name in ("Ada", "Grace", "Edsger")]
        ids = conn.execute(sa.insert(authors).returning(authors.c.id), names).scalars().all()
        rows = [
            {
                "id": i,
                "author_id": ids[i % 3],
                "title": f"Document {i}",
                "tags": [f"t{i % 5}"],
                "info": {"pages": i % 90, "nested": {"even": i % 2 == 0}},
                "price": i / 4,
                "embedding": vector,
                "small": vector,
            }
            for i, vector in enumerate(vectors)
        ]
        conn.execute(sa.insert(documents), rows)
    print(f"inserted {len(rows)} rows")


def read(engine, vectors):
    distance = documents.c.embedding.cosine_distance(vectors[7]).label("distance")
    nearest = (
        sa.select(documents.c.id, authors.c.name, distance)
        .join(authors)
        .where(documents.c.info["nested"]["even"].as_boolean(), documents.c.tags.contains(["t2"]))
        .order_by(distance)
        .limit(5)
    )
    chosen = [i for i in range(len(vectors)) if i % 2 == 0 and i % 5 == 2]
    cosine = 1 - vectors @ vectors[7] / np.linalg.norm(vectors, axis=1) / np.linalg.norm(vectors[7])
    with engine.connect() as conn:
        found = conn.execute(nearest).all()
        np.testing.assert_allclose([row.distance for row in found], np.sort(cosine[chosen])[:5], atol=1e-4)
        by_half = conn.scalars(sa.select(documents.c.id).order_by(documents.c.small.l2_distance(vectors[7])).limit(1))
        assert by_half.one() == 7
        groups = conn.execute(
            sa.select(authors.c.name, sa.func.count(), sa.func.sum(documents.c.price))
            .join_from(authors, documents)
            .group_by(authors.c.name)
            .having(sa.func.count() > 1)
            .order_by(sa.desc(authors.c.name))
        ).all()
        assert [row[0] for row in groups] == ["Grace", "Edsger", "Ada"]
        assert sum(row[1] for row in groups) == len(vectors)
        ranked = sa.select(
            documents.c.id,
            sa.func.row_number().over(partition_by=documents.c.author_id, order_by=documents.c.price.desc()).label("n"),
        ).subquery()
        best = conn.scalars(sa.select(ranked.c.id).where(ranked.c.n == 1).order_by(ranked.c.id)).all()
        assert best == [len(vectors) - 3, len(vectors) - 2, len(vectors) - 1]
        added = conn.scalar(sa.select(documents.c.added).where(documents.c.id == 0))
        assert abs((datetime.now(timezone.utc) - added).total_seconds()) < 3600
    print("search, join, JSON, arrays, groups and windows agree with numpy and Python")


def write(engine):
    with engine.connect() as conn:
        changed = conn.execute(sa.update(documents).where(documents.c.id < 5).values(price=documents.c.price + 1))
        assert changed.rowcount == 5
        conn.rollback()
        assert conn.scalar(sa.select(documents.c.price).where(documents.c.id == 4)) == 1
        upsert = insert(authors).values(name="Ada").on_conflict_do_nothing().returning(authors.c.id)
        assert conn.execute(upsert).all() == []
        try:
            with conn.begin_nested():
                conn.execute(sa.update(documents).values(price=-1))
            raise AssertionError("a CHECK let a value in")
        except sa.exc.IntegrityError:
            pass
        gone = conn.execute(sa.delete(authors).where(authors.c.name == "Ada"))
        assert gone.rowcount == 1
        assert conn.scalar(sa.select(sa.func.count()).select_from(documents).where(documents.c.id % 3 == 0)) == 0
        conn.commit()
    print("update, rollback, upsert, savepoint, CHECK and cascade behave")


def reflect(engine):
    seen = sa.MetaData()
    table = sa.Table("documents", seen, schema=metadata.schema, autoload_with=engine)
    assert isinstance(table.c.embedding.type, VECTOR) and table.c.embedding.type.dim == 32
    assert [column.name for column in table.primary_key] == ["id"]
    assert [key.target_fullname for key in table.foreign_keys] == [f"{metadata.schema}.authors.id"]
    assert {index.name for index in table.indexes} == {"documents_author_title"}
    inspector = sa.inspect(engine)
    assert sorted(inspector.get_table_names(schema=metadata.schema)) == ["authors", "documents"]
    print("reflection finds what was made")


def main():
    engine = sa.create_engine(sys.argv[1] if len(sys.argv) > 1 else URL)
    vectors = np.random.default_rng(3).standard_normal((300, 32), dtype=np.float32)
    create(engine)
    fill(engine, vectors)
    read(engine, vectors)
    write(engine)
    reflect(engine)
    metadata.drop_all(engine)
    with engine.begin() as conn:
        conn.execute(sa.schema.DropSchema(metadata.schema))
    engine.dispose()
    print("all checks passed")


if __name__ == "__main__":
    main()
