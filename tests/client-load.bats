#!/usr/bin/env bats
# `client load` counts what fails, and the other suites believe it: so here it meets services that
# fail in every way. No dokku is needed.

load helpers

setup_file() { "$TESTS/images/build" provider client; }
teardown_file() { :; }

setup() {
  NETWORK="$(unique_name)"
  docker network create "$NETWORK" >/dev/null
}

teardown() {
  docker container ls --all --quiet --filter "network=$NETWORK" | xargs --no-run-if-empty docker container rm --force >/dev/null
  docker network rm "$NETWORK" >/dev/null
}

# provide: one more provider, found as `service`, that listens; prints its id.
provide() {
  local id
  id="$(run_provider)"
  wait_until 10 docker container exec "$id" python3 -c 'import socket; socket.create_connection(("127.0.0.1", 5000))'
  echo "$id"
}

# run_provider [COMMAND...]: a container found as `service`, whatever it does.
run_provider() {
  docker container run --detach --init --network "$NETWORK" --network-alias service interservice-test/provider:1 "$@"
}

# has_connections CONTAINER COUNT: at least so many are established in it.
has_connections() { (($(docker container exec "$1" grep -c ' 01 ' /proc/net/tcp) >= $2)); }

# measure KIND PATH [OPTION...]: the line of JSON of a load of two seconds. The limit is wide, so
# that a slow machine proves nothing; where it matters a test has its own.
measure() {
  docker container run --rm --network "$NETWORK" interservice-test/client:1 \
    client load --kind "$1" --url "http://service:5000$2" --seconds 2 --timeout 8 "${@:3}"
}

assert_json() { jq -e "$1" <<<"$output" >/dev/null || fail "not $1: $output"; }

@test "every request of every client is sent, and counted for the replica that answered" {
  provide
  provide
  run -0 measure new / --rate 20 --clients 3
  assert_json '.sent == 120 and .failed == 0 and (.replicas | length) == 2 and (.replicas | add) == 120'
}

@test "slow answers lower neither the number of requests nor hide the slowest" {
  provide
  run -0 measure first '/slow?ms=700' --rate 20
  assert_json '.sent == 40 and .failed == 0 and .slowest_ms >= 700'
  run -0 measure keepalive '/slow?ms=200' --rate 10
  assert_json '.sent == 20 and .failed == 0 and .connections == 1'
}

@test "an answer that comes after the limit has failed" {
  provide
  run -0 measure new '/slow?ms=700' --rate 10 --timeout 0.5
  assert_json '.sent == 20 and .failed == 20 and .errors == {"answer: timeout": 20}'
}

@test "an answer that is no 2xx has failed" {
  provide
  run -0 measure new /fail --rate 10
  assert_json '.failed == 20 and .errors == {"status 500": 20}'
}

@test "a name that nobody has, or an address where nobody listens, fails" {
  run -0 measure new / --rate 10
  assert_json '.failed == 20 and (.errors | keys[0] | startswith("resolve: "))'
  run_provider provider worker
  run -0 measure new / --rate 10
  assert_json '.failed == 20 and .errors == {"connect: Connection refused": 20}'
}

@test "with one dead address of two, new finds the other and first fails now and then" {
  provide
  run_provider provider worker
  run -0 measure new / --rate 20
  assert_json '.sent == 40 and .failed == 0'
  run -0 measure first / --rate 20
  assert_json '.sent == 40 and .failed > 0 and .failed < 40'
}

@test "a stream must arrive whole" {
  local id
  id="$(provide)"
  run -0 measure stream '/stream?s=1&every=50' --rate 2
  assert_json '.sent == 4 and .failed == 0'

  in_background "$BATS_TEST_TMPDIR/cut" measure stream '/stream?s=5' --rate 2
  wait_until 10 has_connections "$id" 1
  docker container kill "$id"
  wait_until 20 test -e "$BATS_TEST_TMPDIR/cut"
  output="$(<"$BATS_TEST_TMPDIR/cut")"
  assert_json '.sent == 4 and .failed == 4'
}

@test "a provider that drains loses neither kept connections nor streams" {
  local id
  id="$(provide)"
  in_background "$BATS_TEST_TMPDIR/kept" measure keepalive / --rate 50 --clients 10 --seconds 6
  in_background "$BATS_TEST_TMPDIR/stream" measure stream '/stream?s=4' --rate 2 --seconds 1
  wait_until 10 has_connections "$id" 12
  provide
  docker container stop "$id"
  wait_until 20 test -e "$BATS_TEST_TMPDIR/kept"
  wait_until 20 test -e "$BATS_TEST_TMPDIR/stream"
  output="$(<"$BATS_TEST_TMPDIR/kept")"
  assert_json '.sent == 3000 and .failed == 0 and .connections > 10 and (.replicas | length) == 2'
  output="$(<"$BATS_TEST_TMPDIR/stream")"
  assert_json '.sent == 2 and .failed == 0'
}

@test "a load that is stopped early prints what it has" {
  provide
  id="$(docker container run --detach --network "$NETWORK" interservice-test/client:1)"
  in_background "$BATS_TEST_TMPDIR/load" docker container exec "$id" client load --name early \
    --kind new --url http://service:5000/ --seconds 600 --timeout 8
  wait_until 10 docker container exec "$id" client stop early
  wait_until 10 test -e "$BATS_TEST_TMPDIR/load"
  output="$(<"$BATS_TEST_TMPDIR/load")"
  assert_json '.sent >= 1 and .failed == 0'
}
