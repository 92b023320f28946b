#!/usr/bin/env bats
# The contract of the datastore plugins, as the stand-in's keep it and the plugin relies on it.

load helpers

setup() {
  DB="$(new_datastore postgres)"
}

teardown() {
  destroy_apps "$APP" "$OTHER"
  destroy_datastores postgres "$DB" "$DB2"
  destroy_datastores redis "$CACHE"
  [[ -z "$NETWORK" ]] || docker network rm "$NETWORK" >/dev/null
}

container_of() { docker container inspect --format '{{ .Id }}' "dokku.postgres.$DB"; }
links_of() { cat "$(dokku_lib)/services/postgres/$1/LINKS"; }

# ask SQL: what the database answers; right after its container was started it may not yet.
ask() { wait_until 10 docker container exec "dokku.postgres.$DB" pg_isready --host 127.0.0.1 && psql_in "$DB" "$1"; }
# Where the socket is depends on the image, so by its URL.
psql_in() {
  docker container exec "dokku.postgres.$1" psql --quiet --tuples-only --no-align --command "$2" \
    "$(dokku postgres:info "$1" --dsn | sed 's/@[^:]*:/@127.0.0.1:/')"
}

# new_network: sets NETWORK, which teardown removes.
new_network() {
  NETWORK="$(unique_name)"
  docker network create "$NETWORK" >/dev/null
}

@test "a datastore is one container on the bridge, found by its labels and named after its plugin" {
  run -0 docker container inspect --format '{{ .State.Status }} {{ .Config.Hostname }} {{ .HostConfig.RestartPolicy.Name }}' \
    "dokku.postgres.$DB"
  assert_output "running dokku.postgres.$DB always"
  run -0 container_networks "dokku.postgres.$DB"
  assert_output "bridge: "
  run -0 docker container ls --filter label=dokku=service --filter label=dokku.service=postgres --format '{{ .Names }}'
  assert_line "dokku.postgres.$DB"
  run -0 dokku postgres:info "$DB" --dsn
  assert_output --regexp "^postgres://postgres:[0-9a-f]{32}@dokku-postgres-$DB:5432/$DB\$"
  run -0 dokku plugin:trigger service-list
  assert_line "postgres:$DB"
}

@test "an app that is linked reaches the database with its DATABASE_URL" {
  APP="$(new_app)"
  deploy_app "$APP" client
  dokku postgres:link "$DB" "$APP"

  run -0 dokku config:get "$APP" DATABASE_URL
  assert_output "$(dokku postgres:info "$DB" --dsn)"
  run -0 caller_resolve "$APP" "dokku-postgres-$DB"
  assert_output "$(dokku postgres:info "$DB" --internal-ip)"
  run -0 dokku docker-options:report "$APP" --docker-options-deploy
  assert_output "--link dokku.postgres.$DB:dokku-postgres-$DB"
  assert_equal "$(links_of "$DB")" "$APP"
}

@test "unlinking takes away exactly what linking added" {
  local before
  APP="$(new_app)"
  before="$(snapshot "$APP" "postgres:$DB")"
  run -0 dokku postgres:link "$DB" "$APP" --no-restart
  run -1 dokku postgres:link "$DB" "$APP" --no-restart
  run -1 dokku postgres:destroy "$DB" --force
  run -0 dokku postgres:unlink "$DB" "$APP" --no-restart
  assert_equal "$(snapshot "$APP" "postgres:$DB")" "$before"

  # without its variable the link is taken away, but said not to have been there
  run -0 dokku postgres:link "$DB" "$APP" --no-restart
  run -0 dokku config:unset --no-restart "$APP" DATABASE_URL
  run -1 dokku postgres:unlink "$DB" "$APP" --no-restart
  assert_equal "$(snapshot "$APP" "postgres:$DB")" "$before"
}

@test "the variable of a second database has a color, that of an alias its name" {
  APP="$(new_app)"
  DB2="$(new_datastore postgres)"
  CACHE="$(new_datastore redis)"
  dokku postgres:link "$DB" "$APP" --no-restart
  dokku postgres:link "$DB2" "$APP" --no-restart --querystring sslmode=require
  dokku redis:link "$CACHE" "$APP" --no-restart --alias sessions

  run -0 dokku config:get "$APP" DOKKU_POSTGRES_AQUA_URL
  assert_output "$(dokku postgres:info "$DB2" --dsn)?sslmode=require"
  run -0 dokku config:get "$APP" SESSIONS_URL
  assert_output "$(dokku redis:info "$CACHE" --dsn)"
  run -0 dokku postgres:unlink "$DB2" "$APP" --no-restart
  run -1 dokku config:get "$APP" DOKKU_POSTGRES_AQUA_URL
}

@test "restart keeps the container, stop and start makes a new one with the same data" {
  local id
  id="$(container_of)"
  ask "create table kept as select 42 as x"
  dokku postgres:restart "$DB"
  assert_equal "$(container_of)" "$id"
  dokku postgres:upgrade "$DB" # to the image that it has
  assert_equal "$(container_of)" "$id"

  dokku postgres:stop "$DB"
  run -1 container_of
  dokku postgres:start "$DB"
  [[ "$(container_of)" != "$id" ]]
  run -0 ask "select x from kept"
  assert_output 42
}

@test "a network by hand outlives restart only, one in post-create-network comes back with every new container" {
  new_network
  docker network connect --alias by-hand "$NETWORK" "dokku.postgres.$DB"
  dokku postgres:restart "$DB"
  run -0 container_networks "dokku.postgres.$DB"
  assert_output --partial "by-hand"

  dokku postgres:stop "$DB"
  dokku postgres:start "$DB"
  run -0 container_networks "dokku.postgres.$DB"
  assert_output "bridge: "

  dokku postgres:set "$DB" post-create-network "$NETWORK"
  run -0 container_networks "dokku.postgres.$DB"
  assert_output "bridge: "
  dokku postgres:stop "$DB"
  dokku postgres:start "$DB"
  run -0 container_networks "dokku.postgres.$DB"
  assert_output --partial "bridge: "
  assert_output --regexp "$NETWORK: .*dokku-postgres-$DB"
}

@test "with an initial network a database is not on the bridge" {
  new_network
  dokku postgres:set "$DB" initial-network "$NETWORK"
  dokku postgres:stop "$DB"
  dokku postgres:start "$DB"
  run -0 container_networks "dokku.postgres.$DB"
  assert_output --regexp "^$NETWORK: .*dokku-postgres-$DB"
  refute_output --partial "bridge"
}

@test "a property that names a missing network bricks the database until its container is removed" {
  dokku postgres:set "$DB" post-create-network "$(unique_name)"
  dokku postgres:stop "$DB"
  run -1 dokku postgres:start "$DB"
  run -0 docker container inspect --format '{{ .State.Status }}' "dokku.postgres.$DB"
  assert_output created

  dokku postgres:set "$DB" post-create-network
  run -1 dokku postgres:start "$DB"
  docker container rm "dokku.postgres.$DB"
  run -0 dokku postgres:start "$DB"
}

@test "what is destroyed leaves nothing behind" {
  dokku postgres:set "$DB" post-start-network ""
  run -0 dokku postgres:destroy "$DB" --force
  run -1 container_of
  run -1 docker volume inspect "dokku.postgres.$DB"
  [[ ! -e "$(dokku_lib)/services/postgres/$DB" && ! -e "$(dokku_lib)/config/postgres/$DB" ]]
  run -1 dokku postgres:exists "$DB"
}

@test "its links follow an app that is renamed, and go with one that is destroyed" {
  APP="$(new_app)"
  OTHER="$(unique_name)"
  dokku postgres:link "$DB" "$APP" --no-restart
  dokku apps:rename "$APP" "$OTHER"
  assert_equal "$(links_of "$DB")" "$OTHER"
  dokku --force apps:destroy "$OTHER"
  assert_equal "$(links_of "$DB")" ""
}

@test "a clone is a datastore of its own with the same data" {
  ask "create table kept as select 42 as x"
  DB2="$(unique_name)"
  dokku postgres:clone "$DB" "$DB2"
  run -0 psql_in "$DB2" "select x from kept"
  assert_output 42
}

@test "the other plugins hear of links before and after they change" {
  [[ -z "$INTERSERVICE_REAL_DOKKU" ]] || skip "the stand-in writes down its triggers"
  export DOKKU_STANDIN_TRACE="$BATS_TEST_TMPDIR/trace"
  install -m 666 /dev/null "$DOKKU_STANDIN_TRACE"
  chmod a+x "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR"/.. "$BATS_RUN_TMPDIR"
  APP="$(new_app)"
  CACHE="$(new_datastore redis)"
  dokku redis:link "$CACHE" "$APP" --no-restart
  dokku redis:unlink "$CACHE" "$APP" --no-restart
  dokku redis:destroy "$CACHE" --force

  run -0 grep service-action "$DOKKU_STANDIN_TRACE"
  assert_output - <<TRACE
service-action pre-create redis $CACHE
service-action post-create redis $CACHE
service-action post-create-complete redis $CACHE
service-action pre-link redis $CACHE $APP
service-action post-link redis $CACHE $APP
service-action post-link-complete redis $CACHE $APP
service-action pre-unlink redis $CACHE $APP
service-action post-unlink redis $CACHE $APP
service-action post-unlink-complete redis $CACHE $APP
service-action pre-delete redis $CACHE
service-action post-delete redis $CACHE
TRACE
}
