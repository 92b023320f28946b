#!/usr/bin/env bats
# The life of a linked datastore: nothing here knows postgres but by its name.
load helpers

setup_file() {
  dokku_up
  CALLER="$(new_app)"
  DB="$(unique_name)_a-b_c" STORE="$(new_datastore redis)"
  dokku postgres:create "$DB"
  export CALLER DB STORE
  deploy_app "$CALLER" client
}

teardown_file() {
  destroy_apps "$CALLER"
  destroy_datastores postgres "$DB"
  destroy_datastores redis "$STORE"
  docker image ls --filter "reference=*:$STORE" --filter "reference=*/*:$STORE" --format '{{ .Repository }}:{{ .Tag }}' \
    | xargs --no-run-if-empty docker image rm >/dev/null
  dokku_down
}

teardown() {
  local service
  while IFS= read -r service; do
    dokku interservice:unlink "$CALLER" "$service" --no-restart
  done < <(dokku interservice:list "$CALLER" --format json 2>/dev/null | jq -r '.[].service')
  dokku interservice:set --global databases >/dev/null
}

# host_of TYPE NAME: as its URL has it.
host_of() { tr '._' '--' <<<"dokku.$1.$2"; }

# reaches NAME PORT: does the caller reach it, and not by a line in its hosts file?
reaches() {
  docker container exec "$CALLER.web.1" python3 -c "import socket; socket.create_connection(('$1', $2), 3)" \
    && ! docker container exec "$CALLER.web.1" grep -q "$1" /etc/hosts
}

# deploys APP: how many containers it has had until now.
deploys() { docker ps --all --quiet --filter "label=com.dokku.app-name=$1" --filter label=com.dokku.container-type=deploy | wc -l; }

@test "a datastore with underscores and one of another kind are linked at once" {
  run -0 dokku interservice:link "$CALLER" "postgres:$DB" --no-restart
  run -0 dokku interservice:link "$CALLER" "redis:$STORE"

  run -0 reaches "$(host_of postgres "$DB")" 5432
  run -0 reaches "$(host_of redis "$STORE")" 6379
  run -0 docker container exec "$CALLER.web.1" printenv DATABASE_URL REDIS_URL
  assert_line --partial "@$(host_of postgres "$DB"):5432/"
  assert_line --partial "@$(host_of redis "$STORE"):6379"

  run -0 dokku interservice:unlink "$CALLER" "redis:$STORE" --no-restart
  run -0 reaches "$(host_of postgres "$DB")" 5432
  run -0 dokku interservice:unlink "$CALLER" "postgres:$DB" --no-restart
  run -0 dokku config:keys "$CALLER"
  refute_output --partial "DATABASE_URL"
  refute_output --partial "REDIS_URL"
  assert_nothing_left "postgres:$DB" "redis:$STORE"
}

# is_served: an answer for a real request of the caller, and a green status.
is_served() {
  wait_until 20 caller_redis "$CALLER"
  run -0 reaches "$(host_of redis "$STORE")" 6379
  run -0 dokku interservice:status "$CALLER"
}

@test "the link survives whatever is done to the datastore" {
  local word port image
  run -0 dokku interservice:link "$CALLER" "redis:$STORE"
  is_served
  for word in stop pause; do
    run -0 dokku "redis:$word" "$STORE"
    # whatever names the cause names what mends it
    run ! dokku interservice:status "$CALLER"
    assert_output --partial "dokku redis:start $STORE"
    run -0 dokku "redis:start" "$STORE"
    is_served
  done
  run -0 dokku redis:restart "$STORE"
  is_served
  # to the same image, which Dokku knows by its name
  image="$(dokku redis:info "$STORE" --version)"
  docker image tag "$image" "${image%:*}:$STORE"
  run -0 dokku redis:upgrade "$STORE" --image-version "$STORE"
  is_served

  port="$(free_port)"
  run -0 dokku redis:expose "$STORE" "$port"
  wait_until 20 pings 127.0.0.1 "$port"
  is_served
  run -0 dokku redis:restart "$STORE"
  wait_until 20 pings 127.0.0.1 "$port"
  is_served
  run -0 dokku redis:unexpose "$STORE"
  run ! pings 127.0.0.1 "$port"
  is_served

  run -0 docker container restart "dokku.redis.$STORE"
  is_served
  run -0 docker container pause "dokku.redis.$STORE"
  run ! dokku interservice:status "$CALLER"
  assert_output --partial "docker unpause dokku.redis.$STORE"
  run -0 docker unpause "dokku.redis.$STORE"
  is_served

  # Dokku itself refuses to destroy what is linked
  run -1 dokku redis:destroy "$STORE" --force
  run -0 dokku interservice:unlink "$CALLER" "redis:$STORE" --no-restart
  assert_nothing_left "redis:$STORE"
}

# pings HOST PORT: from outside, does a Redis answer there, be it that it wants a password?
pings() { python3 -c "import socket; s = socket.create_connection(('$1', $2), 3); s.settimeout(3); s.sendall(b'PING\r\n'); assert s.recv(9).startswith(b'-NOAUTH')"; }

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

@test "a clone of a linked datastore is nobody's, and goes without a trace" {
  local copy
  copy="$(unique_name)"
  run -0 dokku interservice:link "$CALLER" "redis:$STORE" --no-restart
  run -0 dokku redis:clone "$STORE" "$copy"
  run -0 container_networks "dokku.redis.$copy"
  refute_output --partial interservice
  run -0 reaches "$(host_of redis "$STORE")" 6379
  destroy_datastores redis "$copy"
  run -0 dokku interservice:unlink "$CALLER" "redis:$STORE" --no-restart
  assert_nothing_left "redis:$copy" "redis:$STORE"
}

@test "databases=network: a plain link of the datastore is one of ours, with its one restart" {
  local before
  run -1 dokku interservice:set --global databases sometimes
  run -1 dokku interservice:set "$CALLER" databases network
  run -0 dokku interservice:set --global databases network
  before="$(deploys "$CALLER")"

  run -0 dokku redis:link "$STORE" "$CALLER"
  assert_equal "$(deploys "$CALLER")" "$((before + 1))"
  run -0 reaches "$(host_of redis "$STORE")" 6379
  run -0 dokku docker-options:report "$CALLER" --docker-options-deploy
  refute_output --partial "--link"
  run -0 dokku interservice:adopt "$CALLER" --check

  run -0 dokku redis:unlink "$STORE" "$CALLER"
  run -0 --separate-stderr dokku interservice:list "$CALLER" --format json
  assert_output "[]"
  run -1 caller_resolve "$CALLER" "$(host_of redis "$STORE")"
  assert_nothing_left "$CALLER" "redis:$STORE"
}

@test "databases=network: interservice:link does what it always does" {
  local before
  before="$(snapshot "$CALLER" "redis:$STORE")"
  run -0 dokku interservice:set --global databases network
  run -0 dokku interservice:link "$CALLER" "redis:$STORE" --no-restart
  run -0 dokku interservice:unlink "$CALLER" "redis:$STORE" --no-restart
  run -0 dokku interservice:set --global databases
  assert_equal "$(snapshot "$CALLER" "redis:$STORE")" "$before"
}

@test "unlinking gives the datastore's own link back, where there was one" {
  run -0 dokku redis:link "$STORE" "$CALLER" --no-restart
  run -0 dokku interservice:link "$CALLER" "redis:$STORE" --no-restart
  run -0 dokku interservice:unlink "$CALLER" "redis:$STORE" --no-restart
  run -0 dokku docker-options:report "$CALLER" --docker-options-run
  assert_output "--link dokku.redis.$STORE:$(host_of redis "$STORE")"
  run -0 dokku redis:unlink "$STORE" "$CALLER" --no-restart
}
