#!/bin/bash
# Starts a server that logs every statement, lets tools work with it, and prints what they sent, one shape each.
# `cargo xtask conformance grammar --capture` runs it: PROGRAMS is the folder of PostgreSQL's programs, NEWER that of the newest
# major's, PACKAGES that of Python's packages, MODULES that of Node's.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d /tmp/portreeve-capture-XXXXXX)
chown postgres "$work"
export PGHOST=$work PGPORT=54329 PGUSER=postgres
as_owner() { setpriv --reuid postgres --regid postgres --clear-groups -- "$@"; }
stop() { as_owner "$PROGRAMS/pg_ctl" -D "$work/data" -m immediate stop >&2 || true; rm -rf "$work"; }
trap stop EXIT
cd /
as_owner "$PROGRAMS/initdb" -A trust -U postgres -E UTF8 --no-sync --no-locale -D "$work/data" >&2
cat >> "$work/data/postgresql.conf" <<CONF
unix_socket_directories = '$work'
listen_addresses = '127.0.0.1'
port = $PGPORT
fsync = off
logging_collector = on
log_destination = 'jsonlog'
log_directory = 'log'
log_filename = 'log.log'
log_rotation_age = 0
log_rotation_size = 0
log_statement = 'all'
log_parameter_max_length = 0
CONF
as_owner "$PROGRAMS/pg_ctl" -D "$work/data" -w -l "$work/log" start >&2
export PATH=$PROGRAMS:$PATH
createdb tools
PGAPPNAME=made psql -q -X -v ON_ERROR_STOP=1 -d tools -f "$here/schema.sql" >&2
try() { PGAPPNAME=$1 "${@:2}" >/dev/null 2>"$work/errors" || { echo "$*:" >&2; tail -3 "$work/errors" >&2; }; }
describe=""
for command in d d+ dS da dA dAc dAf dAo dAp db+ dc dC dd dD+ ddp dE des det deu dew df+ dF dFd dFp dFt dg+ di+ dl dL dm+ dn+ do dO dp drds dRp+ dRs ds+ dt+ dT+ du dv+ dx+ dX dy l+ z sf\ app.twice sv\ app.names conninfo; do
    describe+="\\$command"$'\n'
done
for name in owner thing event names counted child; do describe+="\\d+ app.$name"$'\n\\dp app.'"$name"$'\n'; done
describe+=$'\\dt app.*\n\\df app.*\n\\d app.thing_id_seq\n\\d app.thing_price\n\\dT app.*\n\\dx\n'
PGAPPNAME=psql psql -X -d tools >/dev/null 2>&1 <<< "$describe"
# The newest major's programs look at the catalog in their own way, on an older server, too.
PGAPPNAME=psql-newer "$NEWER/psql" -X -d tools >/dev/null 2>&1 <<< "$describe"
try pg_dump pg_dump -d tools -f "$work/dump.sql"
try pg_dump pg_dump -d tools -Fc -f "$work/dump"
try pg_dump pg_dump -d tools --inserts --on-conflict-do-nothing -f "$work/inserts.sql"
try pg_dumpall pg_dumpall -f "$work/all.sql"
try pg_dump-newer "$NEWER/pg_dump" -d tools -f "$work/newer.sql"
try pg_dump-newer "$NEWER/pg_dump" -d tools -Fc --large-objects -f "$work/newer"
try pg_dumpall-newer "$NEWER/pg_dumpall" -f "$work/all.sql"
createdb newer
try pg_restore-newer "$NEWER/pg_restore" -d newer --clean --if-exists "$work/newer"
try vacuumdb-newer "$NEWER/vacuumdb" -d tools --analyze-in-stages
createdb restored
try pg_restore pg_restore -d restored "$work/dump"
try pg_restore pg_restore -d restored --clean --if-exists --single-transaction "$work/dump"
createdb scripted
try pg_dump-restored psql -X -d scripted -f "$work/inserts.sql"
try pgbench pgbench -i -q -d tools --foreign-keys --partitions 2
for mode in simple extended prepared; do
    for script in tpcb-like simple-update select-only; do
        try pgbench pgbench -d tools -t 3 -M $mode -b $script
    done
done
for command in "vacuumdb -d tools" "vacuumdb -d tools -z -j 2" "vacuumdb -d tools -F -t app.owner" "reindexdb -d tools" "reindexdb -d tools --concurrently -t app.thing" "clusterdb -d tools" "pg_amcheck -d tools --install-missing" "createuser made" "dropuser made" "createdb made" "dropdb made" "dropdb --force scripted"; do
    try maintenance $command
done
for orm in sqlalchemy sqlalchemy-psycopg sqlalchemy-pg8000 alembic django peewee asyncpg; do
    PYTHONPATH=$PACKAGES try "$orm" /usr/bin/python3 "$here/orms.py" "$orm"
done
for tool in node-postgres knex sequelize typeorm drizzle kysely postgres.js; do
    PACKAGES=$MODULES try "$tool" node "$here/orms.js" "$tool"
done
try jdbc java -cp /usr/share/java/postgresql.jar "$here/Metadata.java"
as_owner "$PROGRAMS/pg_ctl" -D "$work/data" -m fast -w stop >&2
/usr/bin/python3 "$here/shapes.py" "$work/data/log/log.json"
