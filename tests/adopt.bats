#!/usr/bin/env bats
# adopt: what was linked by hand becomes links, and no request is lost on the way.
load helpers

setup_file() {
  dokku_up
  CALLER="$(new_app)" SERVICE="$(new_app)" DB="$(new_datastore postgres)"
  HAND="$CALLER-hand" # a network made by hand
  export CALLER SERVICE DB HAND
  # without app.json: with a path check the article's recipe cannot be deployed any more
  for image in provider client; do
    docker build --quiet --tag "interservice-test/$image-plain:1" - >/dev/null <<DOCKERFILE
FROM interservice-test/$image:1
WORKDIR /srv
DOCKERFILE
  done
  deploy_app "$SERVICE" interservice-test/provider-plain:1
  deploy_app "$CALLER" interservice-test/client-plain:1
}

teardown_file() {
  destroy_apps "$CALLER" "$SERVICE"
  destroy_datastores postgres "$DB"
  docker image rm --force interservice-test/provider-plain:1 interservice-test/client-plain:1 >/dev/null
  dokku_down
}

teardown() {
  local service
  touch "$BATS_TEST_TMPDIR/stop"
  while IFS= read -r service; do
    dokku interservice:unlink "$CALLER" "$service" --no-restart
  done < <(dokku interservice:list --format json 2>/dev/null | jq -r --arg caller "$CALLER" '.[] | select(.caller == $caller).service')
}

# keep_asking APP URL: from each of its running containers, until the file stop is there; prints how
# often that went well, and each failure. $NAME in URL is what the container itself was told.
keep_asking() {
  local id asked=0
  while [[ ! -e "$BATS_TEST_TMPDIR/stop" ]]; do
    for id in $(docker ps --quiet --filter "label=com.dokku.app-name=$1" --filter label=com.dokku.container-type=deploy); do
      if docker container exec "$id" sh -c "exec client get \"$2\"" >/dev/null 2>"$BATS_TEST_TMPDIR/words"; then
        asked=$((asked + 1))
      elif [[ "$(docker container inspect --format '{{ .State.Running }}' "$id" 2>/dev/null)" == true ]]; then
        echo "failed: $(<"$BATS_TEST_TMPDIR/words")"
      fi
    done
  done
  echo "asked: $asked"
}

# applies_without_loss URL [APP...]: adopt --apply while CALLER asks.
applies_without_loss() {
  in_background "$BATS_TEST_TMPDIR/asked" keep_asking "$CALLER" "$1"
  run -0 dokku interservice:adopt "$CALLER" --apply
  touch "$BATS_TEST_TMPDIR/stop"
  wait_until 30 test -e "$BATS_TEST_TMPDIR/asked"
  run -0 cat "$BATS_TEST_TMPDIR/asked"
  assert_output --regexp '^asked: [1-9][0-9]*$'
}

# options APP: what docker-options:add gave it.
options() {
  dokku docker-options:report "$1" --docker-options-deploy
  dokku docker-options:report "$1" --docker-options-run
}

@test "the article's recipe becomes two links, without a lost request" {
  # as it stands there, but for the names
  dokku postgres:link "$DB" "$SERVICE" --no-restart
  docker network create "$HAND"
  dokku docker-options:add "$SERVICE" deploy,run "--net $HAND"
  dokku docker-options:add "$SERVICE" deploy,run "--net-alias checker"
  dokku docker-options:add "$CALLER" deploy,run "--net $HAND"
  docker network connect "$HAND" "dokku.postgres.$DB" --alias "dokku-postgres-$DB"
  dokku config:set --no-restart "$CALLER" CHECK_DB_URL=http://checker:5000/health
  dokku ps:restart "$SERVICE"
  dokku ps:restart "$CALLER"
  run -0 caller_get "$CALLER" http://checker:5000/

  run -0 --separate-stderr dokku interservice:adopt "$CALLER"
  assert_output --partial "docker-options:add $SERVICE deploy,run \"--net-alias checker\""
  assert_output --partial "docker network connect --alias dokku-postgres-$DB $HAND dokku.postgres.$DB"
  assert_output --partial "dokku interservice:link $CALLER $SERVICE --alias checker --env CHECK_DB_URL --path /health"
  assert_output --partial "dokku interservice:link $SERVICE postgres:$DB"
  run -1 --separate-stderr dokku interservice:adopt --check
  assert_output --partial "--link dokku.postgres.$DB:dokku-postgres-$DB"

  applies_without_loss http://checker:5000/

  assert_equal "$(options "$CALLER")$(options "$SERVICE")" ""
  run -1 docker network inspect "$HAND"
  run -0 dokku config:get "$CALLER" CHECK_DB_URL
  assert_output http://checker:5000/health
  run -0 docker container exec "$SERVICE.web.1" python3 -c "import socket; socket.create_connection(('dokku-postgres-$DB', 5432), 3)"
  # nginx finds the service again, which the recipe had hidden from it
  run -0 http_get "$SERVICE"
  assert_output --partial "200 "
  run -0 dokku interservice:adopt "$CALLER"
  assert_output --partial "Nothing was linked by hand"
  run -0 dokku interservice:adopt "$SERVICE" --check

  run -0 dokku interservice:unlink "$CALLER" "$SERVICE" --no-restart
  run -0 dokku interservice:unlink "$SERVICE" "postgres:$DB" --no-restart
  run -0 dokku config:get "$CALLER" CHECK_DB_URL
  dokku postgres:unlink "$DB" "$SERVICE" --no-restart
  dokku config:unset --no-restart "$CALLER" CHECK_DB_URL
  dokku ps:restart "$SERVICE"
  assert_nothing_left "$SERVICE" "postgres:$DB"
}

@test "--check counts what runs with a legacy link, until it was deployed without" {
  dokku postgres:link "$DB" "$CALLER"
  run -1 dokku interservice:adopt "$CALLER" --check

  run -0 dokku interservice:adopt "$CALLER" --apply --no-restart
  run -1 --separate-stderr dokku interservice:adopt "$CALLER" --check
  assert_output --partial "container $CALLER.web.1 runs with --link"
  run -1 --separate-stderr dokku interservice:adopt "$CALLER" --check --format json
  assert_equal "$(jq -r '.[].how' <<<"$output")" legacy

  # a second time does what the first one left
  run -0 dokku interservice:adopt "$CALLER" --apply
  run -0 dokku interservice:adopt "$CALLER" --check
  run -0 caller_resolve "$CALLER" "dokku-postgres-$DB"

  run -0 dokku interservice:unlink "$CALLER" "postgres:$DB" --no-restart
  run -0 dokku docker-options:report "$CALLER" --docker-options-deploy
  assert_output "--link dokku.postgres.$DB:dokku-postgres-$DB"
  dokku postgres:unlink "$DB" "$CALLER"
}

@test "networks that Dokku attaches become links, and the caller's variable is renewed" {
  dokku network:create "$HAND"
  dokku network:set "$SERVICE" attach-post-deploy "$HAND"
  dokku network:set "$CALLER" attach-post-create "$HAND"
  dokku config:set --no-restart "$CALLER" "WHERE=http://$SERVICE.web:5000/health"
  dokku ps:restart "$SERVICE"
  dokku ps:restart "$CALLER"
  run -0 caller_get "$CALLER" "http://$SERVICE.web:5000/"

  # shellcheck disable=SC2016 # the container's own
  applies_without_loss '$WHERE'

  run -0 docker container exec "$CALLER.web.1" printenv WHERE
  assert_output "http://$SERVICE:5000/health"
  run -0 caller_get "$CALLER" "$output"
  run -0 dokku network:report "$SERVICE" --network-attach-post-deploy
  assert_output ""
  run -0 dokku network:report "$CALLER" --network-attach-post-create
  assert_output ""
  run -1 docker network inspect "$HAND"
  run -0 dokku interservice:unlink "$CALLER" "$SERVICE" --no-restart
}

@test "an initial network with an alias becomes a link" {
  dokku network:create "$HAND"
  dokku network:set "$SERVICE" initial-network "$HAND"
  dokku docker-options:add "$SERVICE" deploy "--network-alias given"
  dokku network:set "$CALLER" initial-network "$HAND"
  dokku ps:restart "$SERVICE"
  dokku ps:restart "$CALLER"
  run -0 caller_get "$CALLER" http://given:5000/

  applies_without_loss http://given:5000/

  assert_equal "$(options "$SERVICE")" ""
  run -0 container_networks "$CALLER.web.1"
  assert_line --regexp '^bridge:'
  run -1 docker network inspect "$HAND"
  run -0 dokku interservice:unlink "$CALLER" "$SERVICE" --no-restart
}

@test "containers that were connected by hand become a link" {
  docker network create "$HAND"
  docker network connect --alias given "$HAND" "$SERVICE.web.1"
  docker network connect "$HAND" "$CALLER.web.1"
  run -0 caller_get "$CALLER" http://given:5000/
  run -0 --separate-stderr dokku interservice:adopt "$CALLER" --format json
  assert_equal "$(jq -c '.links | map([.caller, .service, .alias])' <<<"$output")" "[[\"$CALLER\",\"$SERVICE\",\"given\"]]"
  assert_equal "$(jq -c '.networks' <<<"$output")" "[\"$HAND\"]"

  applies_without_loss http://given:5000/

  run -1 docker network inspect "$HAND"
  run -0 dokku interservice:unlink "$CALLER" "$SERVICE" --no-restart
}

@test "what a link cannot replace stays, and the reason is said" {
  local before stranger="$HAND-stranger"
  docker network create "$HAND"
  docker run --detach --name "$stranger" --network "$HAND" interservice-test/client:1
  dokku docker-options:add "$CALLER" deploy "--link $stranger:other"
  docker network connect --alias given "$HAND" "$SERVICE.web.1"
  docker network connect "$HAND" "$CALLER.web.1"
  before="$(snapshot "$CALLER" "$SERVICE")"

  run -0 dokku interservice:adopt "$CALLER" --apply
  assert_output --partial "Stays: network $HAND: on it stand containers that are neither an app's nor a datastore's: $stranger"
  assert_output --partial "no app and no datastore has a container $stranger"
  assert_equal "$(snapshot "$CALLER" "$SERVICE")" "$before"
  run -1 dokku interservice:adopt "$CALLER" --check

  dokku docker-options:remove "$CALLER" deploy "--link $stranger:other"
  docker rm --force "$stranger"
  docker network disconnect "$HAND" "$SERVICE.web.1"
  docker network disconnect "$HAND" "$CALLER.web.1"
  docker network rm "$HAND"
}

@test "adopt alone changes nothing, and nonsense is refused" {
  local before
  dokku postgres:link "$DB" "$CALLER" --no-restart
  before="$(snapshot "$CALLER" "postgres:$DB")"
  run -0 dokku interservice:adopt
  assert_output --partial "dokku interservice:link $CALLER postgres:$DB"
  run -0 dokku interservice:adopt --format json
  run -2 dokku interservice:adopt --apply --check
  run -2 dokku interservice:adopt --apply --format json
  run -2 dokku interservice:adopt --format yaml
  run -20 dokku interservice:adopt no-such-app
  assert_equal "$(snapshot "$CALLER" "postgres:$DB")" "$before"
  dokku postgres:unlink "$DB" "$CALLER" --no-restart
}
