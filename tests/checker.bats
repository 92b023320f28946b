#!/usr/bin/env bats
# checker against a real PostgreSQL, well and in every fault: the right answer, the right phase,
# and never later than its deadline.

load postgres
# shellcheck disable=SC2154 # `ask` of postgres.bash sets them
: "$answer_status" "$answer_body" "$answer_ms"

setup_file() {
  stage_up
  SHARED="$(postgres_run shared)" # for tests that do it no harm
  export SHARED
}

teardown_file() { stage_down; }

teardown() { test_down; }

# --- a database that is well ---

@test "an available database is told with 200, over one connection that is kept" {
  local checker
  checker="$(checker_run c "$(url "$SHARED" "?application_name=kept-$STAGE")")"
  await becomes_available "$checker"
  for _ in 1 2 3 4 5; do assert_available "$checker"; done

  assert_equal "$(metric "$checker" checker_database_connections_total)" 1
  assert_equal "$(metric "$checker" checker_database_up)" 1
  assert_equal "$(sql "$SHARED" "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'kept-$STAGE'")" 1
  run -0 docker logs "$checker"
  assert_equal "$(grep -c "is available" <<<"$output")" 1
}

@test "64 requests at once cost one query" {
  local checker address before after fds=() fd line i
  checker="$(checker_run c "$(url "$SHARED")")"
  await becomes_available "$checker"
  address="$(container_address "$checker")"
  before="$(metric "$checker" checker_database_queries_total)"

  # All are in its socket before it may look at the first.
  docker kill --signal STOP "$checker" >/dev/null
  for ((i = 0; i < 64; i++)); do
    exec {fd}<>"/dev/tcp/$address/5000"
    printf 'GET /ping HTTP/1.1\r\nHost: checker\r\nConnection: close\r\n\r\n' >&"$fd"
    fds+=("$fd")
  done
  docker kill --signal CONT "$checker" >/dev/null
  for fd in "${fds[@]}"; do
    read -r -t 8 line <&"$fd"
    assert_equal "${line%$'\r'}" "HTTP/1.1 200 OK"
    exec {fd}>&-
  done

  after="$(metric "$checker" checker_database_queries_total)"
  # Those that are accepted in another turn of its loop share another one.
  ((after - before <= 2)) || fail "64 requests took $((after - before)) queries"
  assert_equal "$(metric "$checker" checker_database_connections_total)" 1
}

@test "a database 300 ms away is available" {
  local far checker
  far="$(container_run far interservice-test/provider:1 python3 -c "
import asyncio
async def carry(reader, writer):
    loop = asyncio.get_running_loop()
    while data := await reader.read(65536):
        loop.call_later(0.15, writer.write, data)
    loop.call_later(0.15, writer.close)
async def serve(reader, writer):
    there_reader, there_writer = await asyncio.open_connection('$SHARED', 5432)
    await asyncio.gather(carry(reader, there_writer), carry(there_reader, writer), return_exceptions=True)
async def main():
    async with await asyncio.start_server(serve, port=5432) as server:
        await server.serve_forever()
asyncio.run(main())")"
  checker="$(checker_run c "$(url "$far" "?sslmode=disable")")"
  await becomes_available "$checker"
  assert_available "$checker"
  ((answer_ms >= 300)) || fail "it was not far away: $answer_ms ms"
}

# --- where it is, or is not ---

@test "a closed port is refused" {
  local checker
  checker="$(checker_run c "$(url "$SHARED:1")")"
  assert_unavailable "$checker" "connect: refused$"
  assert_equal "$(get "$checker" /healthz && echo alive)" "$(printf 'ok\nalive')"
}

@test "an unknown name does not resolve" {
  local checker
  checker="$(checker_run c "$(url nobody.invalid)")"
  assert_unavailable "$checker" "resolve: "
}

@test "a silent name server costs one deadline, and nobody else waits for it" {
  need_root
  local silent checker
  silent="$(container_run dns interservice-test/provider:1)"
  printf 'nameserver %s\n' "$(container_address "$silent")" >"$BATS_TEST_TMPDIR/resolv.conf"
  checker="$(checker_run c "$(url db.example)" --volume "$BATS_TEST_TMPDIR/resolv.conf:/etc/resolv.conf:ro")"
  lose_packets "$checker" "$silent"

  assert_unavailable "$checker" "resolve: "
}

@test "while a name server is silent, everybody else is answered at once" {
  need_root
  local silent checker address asking
  silent="$(container_run dns interservice-test/provider:1)"
  printf 'nameserver %s\n' "$(container_address "$silent")" >"$BATS_TEST_TMPDIR/resolv.conf"
  checker="$(checker_run c "$(url db.example)" --volume "$BATS_TEST_TMPDIR/resolv.conf:/etc/resolv.conf:ro" \
    --env RES_OPTIONS=timeout:8 --env PING_DEADLINE=8s --env RESOLVE_DEADLINE=8s)"
  lose_packets "$checker" "$silent"

  address="$(container_address "$checker")"
  curl --silent --max-time 20 "http://$address:5000/ping" >"$BATS_TEST_TMPDIR/answer" 3>&- &
  asking=$!
  await in_flight "$checker"
  for _ in 1 2 3; do
    run -0 curl --silent --fail --max-time 1 "http://$address:5000/healthz"
    assert_output ok
  done
  in_flight "$checker"
  wait "$asking"
  assert_regex "$(cat "$BATS_TEST_TMPDIR/answer")" "Error: (resolve|timeout): "
}

@test "a host that no way leads to is told at once" {
  need_root
  local postgres checker
  postgres="$(container_run p interservice-test/provider:1)"
  checker="$(checker_run c "$(url "$postgres")")"
  reject_packets "$checker" "$postgres"
  assert_unavailable "$checker" "connect: no route to the host"
}

@test "what is no PostgreSQL, or hangs up, is not available" {
  local other checker
  other="$(container_run p interservice-test/provider:1 python3 -c "
import asyncio
def answering(octets):
    async def serve(reader, writer):
        await reader.read(65536)
        writer.write(octets)
        writer.close()
    return serve
async def main():
    for port, octets in (1, b'HTTP/1.1 400 Bad Request\\r\\n\\r\\n'), (2, b''), (3, b'S'), (4, b'\\0' * 99):
        await asyncio.start_server(answering(octets), port=5000 + port)
    await asyncio.Event().wait()
asyncio.run(main())")"
  for port in 5001 5002 5003 5004; do
    await port_open "$other" "$port"
    checker="$(checker_run "$port" "$(url "$other:$port" "?sslmode=require")")"
    assert_unavailable "$checker" "connect: "
    checker="$(checker_run "plain-$port" "$(url "$other:$port" "?sslmode=disable")")"
    assert_unavailable "$checker" "(connect|auth): "
  done
}

port_open() { : <"/dev/tcp/$(container_address "$1")/$2"; }

# --- who is let in ---

@test "a wrong password, database or user is told as such, once" {
  local checker
  checker="$(checker_run password "postgres://postgres:wrong@$SHARED/postgres")"
  assert_unavailable "$checker" "auth: .*\(28P01\)"
  assert_unavailable "$checker" "auth: .*\(28P01\)"
  run -0 docker logs "$checker"
  assert_equal "$(grep -c "is not available" <<<"$output")" 1

  checker="$(checker_run database "postgres://postgres:$PASSWORD@$SHARED/nothing")"
  assert_unavailable "$checker" "auth: .*\(3D000\)"

  checker="$(checker_run nopassword "postgres://postgres@$SHARED/postgres")"
  assert_unavailable "$checker" "auth: "
}

@test "a host that pg_hba.conf does not know is not let in" {
  local postgres checker
  postgres="$(postgres_run p)"
  # shellcheck disable=SC2016 # the container's own variable
  inside "$postgres" 'echo "local all all trust" >"$PGDATA/pg_hba.conf"; pg_ctl reload >/dev/null'
  checker="$(checker_run c "$(url "$postgres")")"
  assert_unavailable "$checker" "auth: .*\(28000\)"
}

@test "SCRAM and its channel binding work" {
  assert_equal "$(sql "$SHARED" "SHOW password_encryption")" scram-sha-256
  run -0 checker_command "$(url "$SHARED" "?sslmode=require&channel_binding=require")" --once
  assert_output "DB is available"
}

@test "when all connections are taken new ones are told so, and the kept one is good" {
  local postgres early late
  postgres="$(postgres_run p -c max_connections=4 -c superuser_reserved_connections=0)"
  early="$(checker_run early "$(url "$postgres")")"
  await becomes_available "$early"
  for _ in 1 2 3; do
    docker exec --detach "$postgres" psql --host /tmp --username postgres --command "SELECT pg_sleep(60)"
  done
  late="$(checker_run late "$(url "$postgres")")"
  await becomes_unavailable "$late"
  assert_unavailable "$late" "connect: too many connections \(53300\)"
  assert_available "$early"
}

# --- a server that dies, or sleeps ---

@test "a terminated backend costs nobody an answer" {
  local postgres checker
  postgres="$(postgres_run p)"
  checker="$(checker_run c "$(url "$postgres")")"
  await becomes_available "$checker"
  for _ in 1 2 3; do
    sql "$postgres" "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'checker'"
    assert_available "$checker"
  done
  run -0 docker logs "$checker"
  assert_output --partial "57P01"
}

@test "a stopped backend is replaced within the deadline" {
  local postgres checker backend
  postgres="$(postgres_run p)"
  checker="$(checker_run c "$(url "$postgres")")"
  await becomes_available "$checker"
  backend="$(backends "$postgres")"
  inside "$postgres" "kill -STOP $backend"
  assert_available "$checker"
  assert_equal "$(metric "$checker" checker_database_retries_total)" 1
}

@test "a stopped postmaster lets the kept connection be, and nobody new in" {
  local postgres early late
  postgres="$(postgres_run p)"
  early="$(checker_run early "$(url "$postgres")")"
  await becomes_available "$early"
  docker kill --signal STOP "$postgres" >/dev/null
  assert_available "$early"
  late="$(checker_run late "$(url "$postgres")")"
  assert_unavailable "$late" "timeout: connect: "
  docker kill --signal CONT "$postgres" >/dev/null
  await becomes_available "$late"
}

@test "a server that is stopped as a whole times out, and is found again" {
  local postgres checker
  postgres="$(postgres_run p)"
  checker="$(checker_run c "$(url "$postgres")")"
  await becomes_available "$checker"
  docker pause "$postgres" >/dev/null
  assert_unavailable "$checker" "timeout: "
  assert_unavailable "$checker" "timeout: "
  docker unpause "$postgres" >/dev/null
  await becomes_available "$checker"
}

@test "lost packets time out, new connection and old, and it is found again" {
  need_root
  local postgres checker
  postgres="$(postgres_run p)"
  checker="$(checker_run c "$(url "$postgres")")"
  await becomes_available "$checker"
  lose_packets "$checker" "$postgres"
  assert_unavailable "$checker" "timeout: " # the connection it had
  assert_unavailable "$checker" "timeout: connect: "
  mend_packets "$checker" "$postgres"
  assert_available "$checker"
}

@test "a restart is seen, and seen to be over" {
  local postgres checker
  postgres="$(postgres_run p)"
  checker="$(checker_run c "$(url "$postgres")")"
  await becomes_available "$checker"
  docker stop "$postgres" >/dev/null
  assert_unavailable "$checker" "(resolve|connect|timeout): " # Docker forgets the name of who is down
  docker start "$postgres" >/dev/null
  await becomes_available "$checker"
}

@test "a crash is over after its recovery" {
  local postgres checker
  postgres="$(postgres_run p)"
  checker="$(checker_run c "$(url "$postgres")")"
  await becomes_available "$checker"
  inside "$postgres" "kill -KILL $(backends "$postgres")"
  ask "$checker"
  assert_regex "$answer_status" "^(200|424)$"
  await becomes_available "$checker"
}

@test "a server that is starting up is told as such" {
  local postgres checker
  postgres="$(postgres_run p -c hot_standby=off)"
  # A standby that has nobody to follow and may not be read from never gets further.
  # shellcheck disable=SC2016 # the container's own variable
  inside "$postgres" 'touch "$PGDATA/standby.signal"'
  docker restart "$postgres" >/dev/null
  checker="$(checker_run c "$(url "$postgres")")"
  # shellcheck disable=SC2317 # called by await
  says_starting() {
    ask "$checker"
    [[ $answer_body == *57P03* ]]
  }
  await says_starting
  assert_unavailable "$checker" "connect: the server is starting up or shutting down \(57P03\)"
}

@test "when the primary is demoted the next host is asked" {
  local one two checker
  one="$(postgres_run one)"
  two="$(postgres_run two)"
  checker="$(checker_run c "$(url "$one,$two" "?target_session_attrs=read-write")")"
  await becomes_available "$checker"
  await has_backend "$one"

  inside "$one" "psql --quiet --host /tmp --command 'ALTER SYSTEM SET default_transaction_read_only = on' && pg_ctl reload >/dev/null"
  await sql_shows "$one" default_transaction_read_only on
  sql "$one" "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'checker'"
  await becomes_available "$checker"
  has_backend "$two"
  run -1 has_backend "$one"

  docker stop "$two" >/dev/null
  assert_unavailable "$checker" "connect: session is read-only"

  # Neither will do: each says why.
  checker="$(checker_run neither "$(url "$SHARED:1,$one" "?target_session_attrs=read-write")")"
  assert_unavailable "$checker" "connect: refused; session is read-only$"
  checker="$(checker_run either "$(url "$one,$SHARED:1" "?target_session_attrs=read-write")")"
  assert_unavailable "$checker" "connect: session is read-only; refused$"
}

# sql_shows POSTGRES SETTING VALUE
sql_shows() { [[ "$(sql "$1" "SHOW $2")" == "$3" ]]; }

# --- TLS ---

@test "sslmode: disable, require, verify-ca and verify-full do what they say" {
  local postgres address checker mode
  postgres="$(postgres_tls_run p)"
  address="$(container_address "$postgres")"

  for mode in disable prefer require "verify-ca&sslrootcert=/ca.crt" "verify-full&sslrootcert=/ca.crt"; do
    checker="$(checker_run "${mode%%&*}" "$(url "$postgres" "?sslmode=$mode")" --volume "$BATS_TEST_TMPDIR/ca.crt:/ca.crt:ro")"
    await becomes_available "$checker"
    run -0 sql "$postgres" "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'checker'"
    if [[ $mode == disable ]]; then assert_output f; else assert_output t; fi
    docker rm --force "$checker" >/dev/null
    await no_backend "$postgres"
  done

  # The certificate is not for its address; nobody knows the snakeoil; no certificates, no trust.
  checker="$(checker_run address "$(url "$address" "?sslmode=verify-full&sslrootcert=/ca.crt")" --volume "$BATS_TEST_TMPDIR/ca.crt:/ca.crt:ro")"
  assert_unavailable "$checker" "connect: server certificate "
  checker="$(checker_run unknown "$(url "$SHARED" "?sslmode=verify-ca&sslrootcert=/ca.crt")" --volume "$BATS_TEST_TMPDIR/ca.crt:/ca.crt:ro")"
  assert_unavailable "$checker" "connect: .*certificate verify failed"
  checker="$(checker_run none "$(url "$postgres" "?sslmode=verify-full")")"
  assert_unavailable "$checker" "connect: root certificate file "
}

no_backend() { ! has_backend "$1"; }

@test "sslmode=require never falls back to a connection in the clear" {
  local postgres checker
  postgres="$(postgres_run p -c ssl=off)"
  checker="$(checker_run c "$(url "$postgres" "?sslmode=require")")"
  assert_unavailable "$checker" "connect: server does not support SSL"
}

# --- settings, one-offs, the end ---

@test "before the database is linked it serves, and says what is missing" {
  local checker
  checker="$(checker_run c "")"
  assert_equal "$(get "$checker" /healthz)" ok
  assert_unavailable "$checker" "not configured: DATABASE_URL is not set; run: dokku postgres:link "
}

@test "a URL that libpq rejects is one line and exit code 2" {
  local bad
  for bad in "postgres//u:$PASSWORD@h/db" "postgres://u:$PASSWORD@h/db?sslmode=maybe" \
    "postgres://u:$PASSWORD@h:99999/db" "postgres://u:x/$PASSWORD@h/db" "postgres://u:x@$PASSWORD@h/db" \
    "postgres://u:$PASSWORD@h/db?nonsense=1" "postgres://u:$PASSWORD@h/db?keepalives_idle=abc" \
    "postgres://u:$PASSWORD@h/db?connect_timeout=1s"; do
    run -2 --separate-stderr checker_command "$bad"
    refute_output
    # shellcheck disable=SC2154 # run sets it
    assert_equal "$(wc -l <<<"$stderr")" 1
    assert_regex "$stderr" "DATABASE_URL"
    refute_password "$stderr"
  done
}

@test "--once has pg_isready's exit codes" {
  run -0 checker_command "$(url "$SHARED")" --once
  assert_output "DB is available"
  run -1 checker_command "postgres://postgres:wrong@$SHARED/postgres" --once
  assert_output "DB is not available. Error: auth: the password is wrong (28P01)"
  run -2 checker_command "$(url "$SHARED:1")" --once
  assert_output "DB is not available. Error: connect: refused"
  run -2 checker_command "$(url nobody.invalid)" --once
  assert_output --partial "DB is not available. Error: resolve: "
  run -3 checker_command "" --once
  assert_output --partial "not configured"
  run -3 checker_command "postgres//u:$PASSWORD@h/db" --once
  refute_password "$output"
  run -2 checker_command "$(url "$SHARED")" --twice
}

@test "--wait ends when the database is there, and not later than told" {
  local postgres waiting
  run -0 checker_command "$(url "$SHARED")" --wait 30s
  assert_output "DB is available"
  run -2 checker_command "$(url "$SHARED:1")" --wait=1s
  assert_output --partial "DB is not available. Error: connect: refused"

  postgres="$(test_id)-p"
  # shellcheck disable=SC2046 # words
  waiting="$(DATABASE_URL="$(url "$postgres")" container_run waiting $(checker_options) --env DATABASE_URL "$CHECKER_IMAGE" --wait 60s)"
  postgres_run p >/dev/null
  assert_equal "$(docker wait "$waiting")" 0
  run -0 docker logs "$waiting"
  assert_output --partial "DB is available"

  # Nobody but itself takes its privileges from this one.
  waiting="$(DATABASE_URL="$(url "$SHARED:1")" container_run ended --env DATABASE_URL "$CHECKER_IMAGE" --wait 60s)"
  await grep --quiet '^NoNewPrivs:.*1$' "/proc/$(container_pid "$waiting")/status"
  docker stop --time 10 "$waiting" >/dev/null
  assert_equal "$(docker inspect --format '{{.State.ExitCode}}' "$waiting")" 2
}

@test "SIGTERM: nobody new is let in, whoever waits gets an answer, exit code 0" {
  local postgres checker address fd line stop
  postgres="$(postgres_run p)"
  checker="$(checker_run c "$(url "$postgres")")"
  await becomes_available "$checker"
  address="$(container_address "$checker")"
  docker pause "$postgres" >/dev/null
  exec {fd}<>"/dev/tcp/$address/5000"
  printf 'GET /ping HTTP/1.1\r\nHost: checker\r\n\r\n' >&"$fd"
  await in_flight "$checker"

  docker stop --time 10 "$checker" >/dev/null {fd}>&- & # or it would keep the connection open
  stop=$!
  read -r -t 8 line <&"$fd"
  assert_equal "${line%$'\r'}" "HTTP/1.1 424 Failed Dependency"
  exec {fd}>&-
  wait "$stop"
  assert_equal "$(docker inspect --format '{{.State.ExitCode}}' "$checker")" 0
  docker unpause "$postgres" >/dev/null
}

# in_flight CHECKER: a request besides our own for the metrics has been read and not answered.
in_flight() {
  local metrics requests answers
  metrics="$(get "$1" /metrics)"
  requests="$(sed -n 's/^checker_http_requests_total //p' <<<"$metrics")"
  answers="$(sed -n 's/^checker_http_answers_total{.*} //p' <<<"$metrics" | awk '{ n += $1 } END { print n }')"
  ((requests - answers >= 2))
}

@test "/metrics is what Prometheus reads, whether the database is there or not" {
  local checker
  for database in "$SHARED" nowhere.invalid; do
    checker="$(checker_run "c-${database:0:3}" "$(url "$database")")"
    ask "$checker"
    get "$checker" /metrics >"$BATS_TEST_TMPDIR/metrics"
    run -0 "$TESTS/promtool" check metrics <"$BATS_TEST_TMPDIR/metrics"
    assert_output ""
  done
}

@test "--help and --version need no database" {
  run -0 checker_command "" --help
  assert_output --partial "GET /ping"
  run -0 checker_command "" --version
  assert_output --regexp "^checker [0-9]+\.[0-9]+\.[0-9]+"
}
