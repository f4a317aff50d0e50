-- A first session in psql:
--
--   PGPASSWORD=... psql -h 127.0.0.1 -p 5433 -U omendb -f examples/psql.sql
--
-- It works in a schema of its own, which it drops at the end, and runs unchanged on PostgreSQL with pgvector.

\set ON_ERROR_STOP on
\pset pager off
SET client_min_messages = warning;

CREATE EXTENSION IF NOT EXISTS vector;
DROP SCHEMA IF EXISTS tour CASCADE;
CREATE SCHEMA tour;
SET search_path TO tour, public;

\echo
\echo '-- Tables, with vectors beside ordinary columns'
CREATE TABLE films (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title text NOT NULL UNIQUE,
    year smallint CHECK (year > 1880),
    genres text[] NOT NULL DEFAULT '{}',
    info jsonb,
    mood vector(3)
);
CREATE INDEX films_year ON films (year DESC);
INSERT INTO films (title, year, genres, info, mood) VALUES
    ('Metropolis', 1927, '{drama,sf}', '{"director": "Lang", "minutes": 153}', '[0.1, 0.9, 0.8]'),
    ('Modern Times', 1936, '{comedy}', '{"director": "Chaplin", "minutes": 87}', '[0.9, 0.3, 0.2]'),
    ('Solaris', 1972, '{drama,sf}', '{"director": "Tarkovsky", "minutes": 167}', '[0.2, 0.8, 0.9]'),
    ('Stalker', 1979, '{drama,sf}', '{"director": "Tarkovsky", "minutes": 161}', '[0.1, 0.8, 0.9]'),
    ('Playtime', 1967, '{comedy}', '{"director": "Tati", "minutes": 124}', '[0.8, 0.4, 0.3]')
RETURNING id, title;
\d films

\echo '-- Nearest neighbours: Euclidean, inner product (negative), cosine, taxicab'
SELECT title,
       round((mood <-> '[0.2,0.8,0.9]')::numeric, 3) AS l2,
       round((mood <#> '[0.2,0.8,0.9]')::numeric, 3) AS inner_product,
       round((mood <=> '[0.2,0.8,0.9]')::numeric, 3) AS cosine,
       round((mood <+> '[0.2,0.8,0.9]')::numeric, 3) AS l1
FROM films ORDER BY mood <-> '[0.2,0.8,0.9]', title LIMIT 3;

\echo '-- Only among rows that match'
SELECT title, info ->> 'director' AS director
FROM films
WHERE 'sf' = ANY (genres) AND info @> '{"director": "Tarkovsky"}' AND year BETWEEN 1970 AND 1989
ORDER BY mood <=> (SELECT mood FROM films WHERE title = 'Metropolis')
LIMIT 2;

\echo '-- Vectors add up, average, convert'
SELECT genre, count(*), avg(mood) AS mean_mood
FROM films, unnest(genres) AS genre GROUP BY genre ORDER BY genre;
SELECT l2_normalize('[3,4]'::vector) AS unit, '[1,2,3]'::vector + '[1,1,1]' AS sum,
       '[1.5,0,0]'::vector::sparsevec AS sparse, binary_quantize('[1,-1,2]'::vector) AS bits;

\echo '-- A prepared statement'
PREPARE near (vector, int) AS SELECT title FROM films ORDER BY mood <-> $1 LIMIT $2;
EXECUTE near ('[1,0,0]', 2);

\echo '-- A transaction that is taken back, one that is kept'
BEGIN;
DELETE FROM films WHERE year < 1970;
SAVEPOINT halfway;
UPDATE films SET mood = mood * '[2,2,2]';
ROLLBACK TO halfway;
SELECT count(*) AS left_over FROM films;
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
UPDATE films SET year = year + 1 WHERE title = 'Playtime' RETURNING title, year;
COMMIT;

\echo '-- Insert or update'
INSERT INTO films (title, year, mood) VALUES ('Stalker', 1980, '[0.1,0.8,0.9]')
ON CONFLICT (title) DO UPDATE SET year = excluded.year
RETURNING title, year;

\echo '-- Common table expressions, windows, views'
WITH RECURSIVE decades (first) AS (
    SELECT 1920 UNION ALL SELECT first + 10 FROM decades WHERE first < 1980
)
SELECT first AS decade, count(f.id) AS films, string_agg(title, ', ' ORDER BY title) AS titles
FROM decades LEFT JOIN films f ON f.year >= first AND f.year < first + 10
GROUP BY first ORDER BY first;
CREATE VIEW long_films AS SELECT title, (info ->> 'minutes')::int AS minutes FROM films WHERE (info ->> 'minutes')::int > 150;
SELECT title, minutes, rank() OVER (ORDER BY minutes DESC) FROM long_films ORDER BY minutes DESC;

\echo '-- How a query runs'
EXPLAIN (COSTS OFF) SELECT title FROM films WHERE id = 3;
EXPLAIN (COSTS OFF) SELECT title FROM films ORDER BY mood <-> '[1,0,0]' LIMIT 2;

\echo '-- Data out and in'
COPY (SELECT id, title, mood FROM films ORDER BY id LIMIT 2) TO STDOUT WITH (FORMAT csv, HEADER);
CREATE TABLE imported (id int, title text, mood vector(3));
COPY imported FROM STDIN WITH (DELIMITER '|');
1|Alien, again|[0,1,1]
2|Brazil|[0.5,0.5,0.5]
\.
SELECT * FROM imported ORDER BY id;

\set ON_ERROR_STOP off
\echo '-- Errors are PostgreSQL''s'
INSERT INTO films (title, year) VALUES ('Too early', 1066);
SELECT '[1,2]'::vector <-> '[1,2,3]';
SELECT titel FROM films;
\set ON_ERROR_STOP on

DROP SCHEMA tour CASCADE;
\echo done
