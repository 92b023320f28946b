#!/usr/bin/env bats
# What the daemons hold in memory after a million requests each, from their images as they ship.

load postgres

setup_file() {
  stage_up
  WEB_IMAGE="$("$TESTS/../helpers/build-images" web)"
  export WEB_IMAGE
}

teardown_file() { stage_down; }

teardown() { test_down; }

# requests NAME: how many it has had.
requests() { metric "$1" "${1##*-}_http_requests_total"; }

# load_once NAME PATH [WRK'S OPTIONS]: 64 clients for a few seconds; each answer is a good one.
load_once() {
  run -0 wrk --connections 64 --threads 1 --duration 4 "${@:3}" "http://$(container_address "$1"):5000$2"
  refute_output --partial "Non-2xx"
  refute_output --partial "Socket errors"
}

# a_million NAME PATH: until it has had so many; a quarter of an hour at most.
a_million() {
  for _ in {1..225}; do
    load_once "$1" "$2" --script "$TESTS/pipelined.lua"
    if (($(requests "$1") >= 1000000)); then return; fi
  done
  fail "too slow: $output"
}

# assert_resident NAME KB: at most so much (VmRSS, proc(5)).
assert_resident() {
  local kb
  kb="$(awk '/^VmRSS:/ { print $2 }' "/proc/$(container_pid "$1")/status")"
  echo "# ${1##*-}: $kb kB resident after $(requests "$1") requests, limit $2 kB" >&3
  ((kb <= $2))
}

@test "checker with TLS to its database, and web that asks it, stay small" {
  local postgres checker web
  postgres="$(postgres_tls_run postgres)"
  checker="$(checker_run checker "$(url "$postgres" "?sslmode=require")")"
  await becomes_available "$checker"
  web="$(container_run web --read-only --cap-drop ALL --env "CHECK_DB_URL=http://$checker:5000/ping" "$WEB_IMAGE")"
  await get "$web" /healthz

  load_once "$web" /check_db
  load_once "$checker" /ping
  a_million "$web" /healthz
  a_million "$checker" /ping
  assert_resident "$web" 1600
  assert_resident "$checker" 6000
}
