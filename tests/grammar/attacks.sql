-- Texts that other readers take for something else than PostgreSQL does. Each may be refused; none may be read as less.
-- Boundaries
SELECT 1 END \; DROP TABLE secret;
COPY t FROM STDIN \; DROP TABLE secret;
\.
CREATE TABLE IF NOT EXISTS t (a int DEFAULT x'\') \; DROP TABLE secret \; --')
;
SELECT 1 AS begin, 2 AS atomic \; DROP TABLE secret;
CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1 \; DELETE FROM secret) \; DROP TABLE u;
SELECT $a$ $b$ ; $a$ \; DROP TABLE secret;
SELECT 1 /* /* ; */ ' */ \; DROP TABLE secret /* ' */;
-- Tokens
SELECT 'a' ||/* 'x' --*/ 'y', (SELECT pw FROM secret);
SELECT 1 %-- 1 /*
 1, (SELECT pw FROM secret) -- */
;
SELECT E'a'
'\'' , (SELECT pw FROM secret) --'
;
SELECT U&"\0070w" FROM secret;
SELECT b"pw" FROM secret;
SELECT n"pw", e"pw", x"pw" FROM secret;
SELECT "PW", PW, pw FROM "secret", SECRET;
SELECT a FROM t WHERE a = 1--1
 OR (SELECT pw FROM secret) = 'x';
-- Words
SELECT * FROM ONLY secret;
SELECT * FROM ONLY (secret);
UPDATE ONLY secret SET pw = 'x';
DELETE FROM ONLY secret;
INSERT INTO t SELECT pw FROM ONLY secret;
SELECT pw OR FROM secret;
SELECT pw AND FROM secret;
SELECT pw AS or FROM secret;
SELECT pw xor FROM secret;
SELECT pw regexp FROM secret;
SELECT pw rlike FROM secret;
SELECT a, b FROM t UNION ALL TABLE secret;
SELECT a FROM t EXCEPT (TABLE secret);
CREATE TABLE x AS TABLE secret;
INSERT INTO t (a) TABLE secret;
WITH x AS (TABLE secret) TABLE x;
SELECT INTO n FROM t;
SELECT top(x) FROM t;
SELECT top FROM secret;
SELECT interval FROM secret;
SELECT interval b FROM secret;
SELECT date b FROM secret;
SELECT a[date:1] FROM t;
SELECT a[:pw] FROM secret;
SELECT name.pw[1] FROM secret AS name;
SELECT name.pw['x'], name.name FROM secret AS name;
UPDATE replace t SET a = 1;
INSERT INTO overwrite VALUES (1);
INSERT INTO ignore SELECT pw FROM secret;
DELETE FROM using USING secret;
SELECT x 'lit' FROM secret;
SELECT pw qualify FROM secret;
SELECT * FROM secret pivot;
SELECT * FROM secret final;
SELECT * FROM secret sample;
SELECT * FROM secret prewhere;
SELECT * FROM unnest, secret;
SELECT * FROM lateral_view, secret;
SELECT f(pw) FROM secret;
SELECT (secret).f FROM secret;
SELECT secret.f FROM secret;
SELECT substring(pw), substring(pw, 1), substr(pw, 1, 2), overlay(pw, 'x', 1) FROM secret;
SELECT "substring"(pw, 1), "left"(pw, 1) FROM secret;
SELECT exclude.pw FROM secret exclude;
SELECT * FROM t WHERE CURRENT_USER = (SELECT pw FROM secret);
WITH secret AS (SELECT 1) SELECT * FROM public.secret;
WITH secret AS (SELECT * FROM secret) SELECT * FROM secret;
WITH RECURSIVE secret AS (SELECT * FROM secret) SELECT * FROM secret;
WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a;
SELECT * FROM (WITH secret AS (SELECT 1) SELECT * FROM secret) x, secret;
INSERT INTO t WITH secret AS (SELECT 1) SELECT * FROM secret;
WITH x AS (DELETE FROM secret RETURNING pw) SELECT 1;
WITH delete AS (SELECT pw FROM secret) SELECT * FROM delete;
MERGE INTO secret s USING t ON s.pw = t.a WHEN MATCHED THEN DO NOTHING;
DELETE FROM secret WHERE pw::int = 1;
UPDATE secret SET owner = pw;
EXPLAIN ANALYZE DELETE FROM secret;
PREPARE p AS DELETE FROM secret;
DECLARE c CURSOR FOR SELECT pw FROM secret;
COPY (DELETE FROM secret RETURNING *) TO STDOUT;
COPY secret TO PROGRAM 'cat';
COPY secret FROM '/etc/passwd';
CREATE SCHEMA s CREATE TABLE x AS TABLE secret;
CREATE VIEW v AS SELECT pw FROM secret;
CREATE TABLE x (LIKE secret INCLUDING ALL);
CREATE TABLE x () INHERITS (secret);
CREATE TABLE x (a int REFERENCES secret);
CREATE INDEX i ON secret ((pw::int));
CREATE STATISTICS s ON pw, owner FROM secret;
CREATE PUBLICATION p FOR TABLE secret;
CREATE TRIGGER r AFTER INSERT ON secret FOR EACH ROW EXECUTE FUNCTION f();
CREATE DOMAIN d AS int CHECK (f(VALUE));
ALTER TABLE t ADD COLUMN c int DEFAULT hash(1);
ALTER TABLE t ADD CHECK (t.f);
ALTER TABLE t INHERIT secret;
COMMIT AND CHAIN \; SELECT pw FROM secret;
