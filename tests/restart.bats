#!/usr/bin/env bats
# Docker itself is stopped, killed and started again under links: containers come back as their
# restart policies say, in any order and with other addresses, and the links with them.
#
# On a stand-in and an engine of its own (tests/engine): nobody's Docker is stopped for a test.
load helpers

setup_file() {
  unset INTERSERVICE_REAL_DOKKU INTERSERVICE_STANDIN
  [[ "$EUID" == 0 ]] || return 0
  dokku_up
  engine_up
  CALLER="$(new_app)" SERVICE="$(new_app)" DB="$(new_datastore redis)"
  export CALLER SERVICE DB
  dokku ps:set "$CALLER" restart-policy always
  dokku ps:set "$SERVICE" restart-policy always
  dokku ps:scale --skip-deploy "$SERVICE" web=2
  dokku interservice:link "$CALLER" "$SERVICE" --no-restart
  dokku interservice:link "$CALLER" "redis:$DB" --no-restart
  deploy_app "$SERVICE" provider
  deploy_app "$CALLER" client
  settled
}

teardown_file() {
  if [[ -n "$ENGINE" ]]; then
    # with all that was made in it
    "$TESTS/engine" down "$ENGINE"
    unset DOCKER_HOST
    dokku_down
  fi
}

# engine_up: from here on docker and dokku are those of an engine of its own, which has the images that
# the stand-in has built.
engine_up() {
  local -a images
  mapfile -t images < <(docker image ls --format '{{ .Repository }}:{{ .Tag }}' --filter "reference=interservice/*:*-$(digits)")
  ENGINE="$(mktemp -d /var/tmp/interservice-engine-XXXXXX)"
  "$TESTS/engine" up "$ENGINE" "${images[@]}" interservice-test/{provider,client,nginx}:1 interservice-test/redis:7
  docker image rm "${images[@]}" >/dev/null
  mkdir "$ENGINE/bin"
  cat >"$ENGINE/bin/dokku" <<WRAPPER
#!/bin/sh
exec "$TESTS/engine" run "$ENGINE" "$INTERSERVICE_STANDIN/bin/dokku" "\$@"
WRAPPER
  chmod 755 "$ENGINE" "$ENGINE/bin/dokku"
  export ENGINE DOCKER_HOST="unix://$ENGINE/docker.sock" PATH="$ENGINE/bin:$PATH"
}

setup() {
  [[ "$EUID" == 0 ]] || skip "only root can start an engine"
}

# restart_engine SIGNAL [FLAG...]
restart_engine() {
  "$TESTS/engine" stop "$ENGINE" "$1"
  "$TESTS/engine" start "$ENGINE" "${@:2}"
}

# settled: what deploys have replaced is gone, and a tick or two had the time to notice.
settled() {
  retired "$CALLER" "$SERVICE"
  run -0 dokku ps:retire
  run -0 dokku ps:retire
}

networks() { docker network ls --format '{{ .Name }}' | sort; }

# asks: does the caller get an answer of the service, and of the datastore?
asks() {
  caller_get "$CALLER" "http://$SERVICE:5000/" && caller_redis "$CALLER"
}

# all_is_well: it does, of both replicas, all links are green, and there is nothing to be done.
all_is_well() {
  run -0 asks
  assert_equal "$(caller_resolve "$CALLER" "$SERVICE" | wc -l)" 2
  run -0 dokku interservice:status
  run -0 --separate-stderr dokku interservice:sync --dry-run
  assert_output ""
}

@test "Docker is stopped, or killed, and started again, and all links with it" {
  local before signal
  before="$(networks)"
  for signal in TERM KILL; do
    restart_engine "$signal"
    wait_until 60 asks
    all_is_well
    run -0 dokku ps:retire
    assert_equal "$(networks)" "$before"
  done
}

@test "what Docker does not start again is named, and Dokku restores it" {
  local before
  before="$(networks)"
  docker container update --restart=no "$CALLER.web.1" "$SERVICE.web.1" "$SERVICE.web.2"
  restart_engine TERM
  run -0 dokku ps:retire
  run ! dokku interservice:status
  assert_output --partial "dokku ps:start $CALLER"

  run -0 dokku ps:restore
  run -0 asks
  settled
  all_is_well
  assert_equal "$(networks)" "$before"
}

@test "links go on while Docker is away, where containers outlive it (live-restore)" {
  local before id
  restart_engine TERM --live-restore
  wait_until 60 asks
  before="$(networks | wc -l)" id="$(app_container "$SERVICE")"
  restart_engine KILL --live-restore
  assert_equal "$(docker container inspect --format '{{ .RestartCount }} {{ .State.Running }}' "$id")" "0 true"
  all_is_well

  # and a deploy is as ever
  run -0 dokku ps:restart "$SERVICE"
  run -0 asks
  settled
  all_is_well
  assert_equal "$(networks | wc -l)" "$before"
}
