#!/usr/bin/env bats
# A deploy under a link is cancelled half-way (Ctrl-C, or the connection is gone): callers go on being
# served, the next deploy is as ever, and nothing of the one that was cancelled stays.
load helpers

setup_file() {
  dokku_up
  CALLER="$(new_app)" SERVICE="$(new_app)"
  export CALLER SERVICE
  # long enough to be cancelled in the midst of it
  dokku config:set --no-restart "$SERVICE" BOOT=2
  dokku ps:scale --skip-deploy "$SERVICE" web=2
  deploy_app "$SERVICE" provider
  dokku interservice:link "$CALLER" "$SERVICE" --no-restart
  deploy_app "$CALLER" client
}

teardown_file() {
  destroy_apps "$CALLER" "$SERVICE"
  dokku_down
}

# start_deploy APP: in a process group of its own, as a terminal has it.
start_deploy() {
  # what is started in the background does not hear Ctrl-C unless it is told to
  # shellcheck disable=SC2016 # for the inner shell
  in_background "$BATS_TEST_TMPDIR/deploy" setsid bash -c 'echo "$$" >"$0"; exec env --default-signal=INT,TERM "$@"' \
    "$BATS_TEST_TMPDIR/group" dokku ps:rebuild "$1"
}

# cancel SIGNAL: the deploy ends before its end.
cancel() {
  refute [ -e "$BATS_TEST_TMPDIR/deploy" ]
  kill -s "$1" -- "-$(<"$BATS_TEST_TMPDIR/group")"
  wait_until 30 test -e "$BATS_TEST_TMPDIR/deploy"
  run -1 grep --fixed-strings "Shutting down old containers" "$BATS_TEST_TMPDIR/deploy"
}

# is_checked APP PROC.N: the new container of that place runs, and is not yet the one that serves.
is_checked() { docker ps --quiet --filter "name=^$1\.$2\.upcoming" | grep .; }

# start_loads: with a limit that a machine at work does not reach, and what goes to a container that has gone does.
start_loads() {
  local kind
  for kind in new first keepalive; do
    start_load "$kind" "$CALLER" "http://$SERVICE:5000/" "$kind" --rate 20 --timeout 10
  done
}

assert_loads() {
  local kind
  for kind in new first keepalive; do assert_load "$(stop_load "$kind")"; done
}

# is_retired ID: by Dokku's tick, if it is due.
is_retired() {
  dokku ps:retire
  ! docker container inspect "$1"
}

# is_one_generation: after a tick.
is_one_generation() {
  dokku ps:retire
  [[ "$(generations "$SERVICE")" == 1 ]]
}

# nothing_is_left: of any deploy: one generation, no probe, no lock, nothing to do.
nothing_is_left() {
  local id
  wait_until 90 is_one_generation
  for id in $(docker ps --all --quiet --filter label=com.dokku.interservice.helper=probe); do
    run docker container inspect --format '{{ .HostConfig.NetworkMode }}' "$id"
    refute_output --partial "$(app_container "$SERVICE")"
  done
  run -0 flock --nonblock "$(dokku_lib)/data/interservice/lock" true
  run -0 dokku interservice:status
  run -0 --separate-stderr dokku interservice:sync --dry-run
  assert_output ""
}

# deploys_again: a deploy of the service is as ever, and is what callers reach.
deploys_again() {
  local before
  before="$(app_container "$SERVICE" web 2)"
  run -0 dokku ps:rebuild "$SERVICE"
  refute_output --partial "could not finish"
  refute [ "$(app_container "$SERVICE" web 2)" == "$before" ]
  run -0 caller_resolve "$CALLER" "$SERVICE"
  assert_equal "$output" "$(addresses)"
}

# addresses: of the service's containers on its newest network.
addresses() {
  local network
  network="$(docker network ls --format '{{ .Name }}' --filter "name=^interservice\.$SERVICE\." | sort | head -n 1)"
  docker container inspect "$SERVICE.web.1" "$SERVICE.web.2" \
    | jq -r --arg network "$network" '.[].NetworkSettings.Networks[$network].IPAddress' | LC_ALL=C sort
}

@test "cancelled while the first new container is being checked" {
  start_loads
  start_deploy "$SERVICE"
  wait_until 120 is_checked "$SERVICE" web.1
  cancel INT
  run -0 tick
  assert_equal "$(generations "$SERVICE")" 1
  deploys_again
  assert_loads
  nothing_is_left
}

@test "cancelled when one new container has taken over and the other one is being checked" {
  local first
  first="$(app_container "$SERVICE")"
  start_loads
  start_deploy "$SERVICE"
  wait_until 120 is_checked "$SERVICE" web.2
  cancel TERM
  # Dokku retires the one that was replaced, with no deploy that would have told us
  wait_until 90 is_retired "$first"
  run -0 dokku interservice:status
  deploys_again
  assert_loads
  nothing_is_left
}

@test "cancelled when the new containers are published and the old ones still serve" {
  local first
  first="$(app_container "$SERVICE")"
  dokku interservice:set "$SERVICE" drain 20
  start_loads
  start_deploy "$SERVICE"
  wait_until 120 eval "[[ \$(generations $SERVICE) == 2 && \$(caller_resolve $CALLER $SERVICE) == \$(addresses) ]]"
  cancel INT
  dokku interservice:set "$SERVICE" drain
  run -0 dokku interservice:status
  wait_until 90 is_retired "$first"
  deploys_again
  assert_loads
  nothing_is_left
}

@test "cancelled while the caller's new container is being checked" {
  start_loads
  start_deploy "$CALLER"
  wait_until 120 is_checked "$CALLER" web.1
  cancel TERM
  deploys_again
  assert_loads
  run -0 dokku ps:rebuild "$CALLER"
  run -0 caller_get "$CALLER" "http://$SERVICE:5000/"
  nothing_is_left
}
