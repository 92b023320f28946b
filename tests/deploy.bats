#!/usr/bin/env bats
# A deploy of the service loses no request of its callers: two rebuilds and a scale 2-4-1 under
# load, for clients that resolve each time, that try only the first address, that keep connections,
# and that stream. Requests are given 3 s, so that a slow machine proves nothing; the slowest is shown.
load helpers

setup() {
  CALLER="$(new_app)" SERVICE="$(new_app)"
}

teardown() {
  destroy_apps "$CALLER" "$SERVICE" "${CHAIN[@]}"
}

# lives_through_deploys: CALLER is linked to SERVICE, and both run.
lives_through_deploys() {
  local kind url="http://$SERVICE:5000/"
  for kind in new first keepalive; do
    start_load "$kind" "$CALLER" "$url" "$kind" --rate 20 --timeout 3
  done
  start_load stream "$CALLER" "$url" stream --rate 0.5 --timeout 8

  run -0 dokku ps:rebuild "$SERVICE"
  run -0 dokku ps:rebuild "$SERVICE"
  run -0 dokku ps:scale "$SERVICE" web=4
  run -0 dokku ps:scale "$SERVICE" web=1
  # until the last old container has stopped
  wait_until 60 eval "[[ \$(docker ps --quiet --filter label=com.dokku.app-name=$SERVICE | wc -l) == 1 ]]"

  for kind in new first keepalive stream; do
    assert_load "$(stop_load "$kind")"
  done
}

@test "no request is lost when the service boots for three seconds and drains" {
  dokku config:set --no-restart "$SERVICE" BOOT=3 ON_TERM=drain
  dokku ps:scale --skip-deploy "$SERVICE" web=2
  deploy_app "$SERVICE" provider
  deploy_app "$CALLER" client
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --no-restart

  lives_through_deploys
}

@test "no request is lost when the service exits at once, if drain is longer than its longest answer" {
  dokku config:set --no-restart "$SERVICE" ON_TERM=exit
  dokku interservice:set "$SERVICE" drain 6
  dokku ps:scale --skip-deploy "$SERVICE" web=2
  deploy_app "$SERVICE" provider
  deploy_app "$CALLER" client
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --no-restart

  lives_through_deploys
}

@test "an old container keeps its network until its last answer is given; then the generation goes" {
  deploy_app "$SERVICE" provider
  deploy_app "$CALLER" client
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --no-restart
  in_background "$BATS_TEST_TMPDIR/rebuilt" dokku ps:rebuild "$SERVICE"
  # only now: before its new container a real Dokku takes longer than the answer
  wait_until 120 eval "docker ps --quiet --filter 'name=^$SERVICE\.web\.1\.upcoming' | grep ."
  in_background "$BATS_TEST_TMPDIR/slow" docker container exec "$CALLER.web.1" \
    client get --timeout 60 "http://$SERVICE:5000/slow?ms=25000"
  wait_until 10 eval "docker container top $CALLER.web.1 | grep slow"

  wait_until 120 test -e "$BATS_TEST_TMPDIR/rebuilt"
  assert_equal "$(generations "$SERVICE")" 2
  run -0 tick
  wait_until 60 test -e "$BATS_TEST_TMPDIR/slow"
  run -0 cat "$BATS_TEST_TMPDIR/slow.err"
  assert_output ""

  wait_until 30 eval "[[ -z \$(docker ps --quiet --filter 'name=^$SERVICE\.web\.1\.[0-9]+$') ]]"
  run -0 tick
  assert_equal "$(generations "$SERVICE")" 1
  run -0 caller_get "$CALLER" "http://$SERVICE:5000/"
}

@test "a deploy that fails its checks changes nothing for callers" {
  deploy_app "$SERVICE" provider
  deploy_app "$CALLER" client
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --no-restart
  local before
  before="$(caller_get "$CALLER" "http://$SERVICE:5000/")"

  docker build --quiet --tag "interservice-test/$SERVICE:broken" - <<'DOCKERFILE'
FROM interservice-test/provider:1
USER root
RUN echo '{"healthchecks":{"web":[{"type":"startup","name":"broken","path":"/fail","attempts":1,"wait":1,"timeout":2}]}}' >app.json
DOCKERFILE
  run ! deploy_app "$SERVICE" "interservice-test/$SERVICE:broken"

  run -0 caller_get "$CALLER" "http://$SERVICE:5000/"
  assert_output "$before"
}

@test "links survive ps:restart, ps:rebuild and ps:scale of the caller" {
  deploy_app "$SERVICE" provider
  deploy_app "$CALLER" client
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --no-restart

  local command
  for command in "ps:restart $CALLER" "ps:rebuild $CALLER" "ps:scale $CALLER web=2" "ps:scale $CALLER web=1"; do
    # shellcheck disable=SC2086 # words of a command
    run -0 dokku $command
    run -0 caller_get "$CALLER" "http://$SERVICE:5000/"
  done
}

@test "links survive docker restart of caller and service" {
  deploy_app "$SERVICE" provider
  deploy_app "$CALLER" client
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --no-restart

  run -0 docker restart "$SERVICE.web.1"
  wait_until 20 caller_get "$CALLER" "http://$SERVICE:5000/"
  run -0 docker restart "$CALLER.web.1"
  wait_until 20 caller_get "$CALLER" "http://$SERVICE:5000/"
}

@test "five apps in a chain of links are rebuilt all at once, and no request is lost" {
  local kind app number once
  for number in 1 2 3; do CHAIN+=("$(new_app)"); done
  local -a all=("$CALLER" "$SERVICE" "${CHAIN[@]}")
  deploy_app "$CALLER" client
  for app in "${all[@]:1}"; do deploy_app "$app" provider; done
  for number in 0 1 2 3; do run -0 dokku interservice:link "${all[number]}" "${all[number + 1]}" --no-restart; done

  # no deploy replaces a container of dokku run
  run -0 dokku run:detached "$CALLER" client
  once="$(docker ps --quiet --filter "label=com.dokku.app-name=$CALLER" --filter label=com.dokku.container-type=run)"
  for kind in new first keepalive; do
    start_load_in "$once" "$kind" "http://$SERVICE:5000/" "$kind" --rate 20 --timeout 10
  done
  run -0 dokku ps:rebuild --all --parallel 4
  refute_output --partial "could not finish"
  retired "${all[@]}"
  for kind in new first keepalive; do assert_load "$(stop_load "$kind")"; done

  run -0 tick
  run -0 dokku interservice:status
  run -0 --separate-stderr dokku interservice:sync --dry-run
  assert_output ""
  for app in "${all[@]:1}"; do assert_equal "$(generations "$app")" 1; done
}
