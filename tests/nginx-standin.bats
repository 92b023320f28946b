#!/usr/bin/env bats
# The nginx in front of the stand-in's apps, which stands for Dokku's own.

load helpers

setup() {
  APP="$(new_app)"
}

teardown() {
  destroy_apps "$APP"
  [[ -z "$LOAD" ]] || docker container rm --force "$LOAD" >/dev/null
}

@test "an app answers at its own domain" {
  deploy_app "$APP" provider
  run -0 http_get "$APP"
  assert_output --regexp '^200 [0-9a-f]{12}$'
  run -0 http_get "$APP" /fail
  assert_output --partial "500 "
}

@test "all replicas of an app answer in turn" {
  dokku ps:scale "$APP" web=2
  deploy_app "$APP" provider
  run -0 http_get "$APP"
  local first="$output"
  run -0 http_get "$APP"
  refute_output "$first"
}

@test "an address that went stale is noticed, and an app that listens nowhere is a bad gateway" {
  local id
  deploy_app "$APP" provider
  id="$(app_container "$APP")"
  run -0 http_get "$APP"
  assert_output --partial "200 ${id:0:12}"
  docker container stop "$APP.web.1"
  # nothing is there, or a container that Docker has given the address since
  run -0 http_get "$APP"
  refute_output --partial "${id:0:12}"

  dokku ps:scale "$APP" web=0
  run -0 http_get "$APP"
  assert_output --partial "502 "
}

@test "a domain that nobody has is not answered by another app" {
  [[ -z "$INTERSERVICE_REAL_DOKKU" ]] || skip "a real Dokku answers it with its default server"
  deploy_app "$APP" provider
  run -0 curl --silent --output /dev/null --write-out '%{http_code}' --header 'Host: nobody.localhost' \
    "$(dokku plugin:trigger domains-urls "$APP" url)"
  assert_output 404
}

@test "no request is lost while the containers behind it change" {
  local host port
  [[ -z "$INTERSERVICE_REAL_DOKKU" ]] || skip "nginx is Dokku's own"
  deploy_app "$APP" provider
  host="$(dokku plugin:trigger domains-urls "$APP" url)"
  host="${host#http://}" port="${host##*:}" host="${host%:*}"
  LOAD="$(docker container run --detach --init --network host --add-host "$host:127.0.0.1" \
    interservice-test/client:1 sleep infinity)"
  in_background "$BATS_TEST_TMPDIR/load" docker container exec "$LOAD" \
    client load --name nginx --kind new --url "http://$host:$port/" --seconds 600 --timeout 8
  wait_until 10 docker container exec "$LOAD" test -e /tmp/client-nginx.pid
  dokku ps:scale "$APP" web=3
  dokku ps:restart "$APP"
  dokku ps:scale "$APP" web=1
  docker container exec "$LOAD" client stop nginx
  wait_until 20 test -e "$BATS_TEST_TMPDIR/load"
  assert_load "$(<"$BATS_TEST_TMPDIR/load")"
}
