#!/usr/bin/env bats
# Datastores: reached through a network of their own under the host name that their URL has.
load helpers

setup_file() {
  dokku_up
  CALLER="$(new_app)" SERVICE="$(new_app)" DB="$(new_datastore postgres)"
  export CALLER SERVICE DB
  deploy_app "$SERVICE" client
  deploy_app "$CALLER" client
}

teardown_file() {
  destroy_apps "$CALLER" "$SERVICE"
  destroy_datastores postgres "$DB"
  dokku_down
}

# property: the networks that the database returns to.
property() {
  dokku postgres:info "$DB" --post-create-network
}

# reaches APP: does its first container reach the database's port by the name in its URL?
reaches() {
  docker container exec "$1.web.1" python3 -c "import socket; socket.create_connection(('dokku-postgres-$DB', 5432), 3)"
}

# ours APP: the address that the service network gives, asked of Docker's resolver rather than
# of the hosts file that a legacy link writes.
our_address() {
  docker container inspect "dokku.postgres.$DB" \
    | jq -r '.[0].NetworkSettings.Networks | to_entries[] | select(.key | startswith("interservice.")) | .value.IPAddress'
}

@test "the database of a linked app joins a network under the name in DATABASE_URL, beside what the operator has" {
  dokku postgres:link "$DB" "$SERVICE" --no-restart
  docker network create "$DB-mine" >/dev/null
  dokku postgres:set "$DB" post-create-network "$DB-mine"

  run -0 dokku interservice:link "$CALLER" "$SERVICE" --no-restart
  run -0 container_networks "dokku.postgres.$DB"
  assert_line --regexp "^interservice\.postgres\.$DB\..*: .*dokku-postgres-$DB"
  assert_regex "$(property)" "^$DB-mine,interservice\.postgres\.$DB\."

  run -0 dokku interservice:unlink "$CALLER" "$SERVICE" --no-restart
  assert_equal "$(property)" "$DB-mine"
  run -0 docker network ls --quiet --filter "name=interservice.postgres.$DB"
  assert_output ""

  dokku postgres:set "$DB" post-create-network
  docker network rm "$DB-mine" >/dev/null
  dokku postgres:unlink "$DB" "$SERVICE" --no-restart
}

@test "a link to a datastore replaces the legacy link, keeps the URL, and unlink puts all back" {
  local before url
  dokku postgres:link "$DB" "$CALLER" --no-restart
  before="$(snapshot "$CALLER" "postgres:$DB")"
  url="$(dokku config:get "$CALLER" DATABASE_URL)"

  run -0 dokku interservice:link "$CALLER" "postgres:$DB"
  assert_equal "$(dokku config:get "$CALLER" DATABASE_URL)" "$url"
  run -0 dokku docker-options:report "$CALLER" --docker-options-deploy
  refute_output --partial "--link"
  run -0 docker container exec "$CALLER.web.1" cat /etc/hosts
  refute_output --partial "dokku-postgres-$DB"
  run -0 caller_resolve "$CALLER" "dokku-postgres-$DB"
  assert_output "$(our_address)"
  run -0 reaches "$CALLER"

  run -0 dokku interservice:unlink "$CALLER" "postgres:$DB" --no-restart
  assert_equal "$(snapshot "$CALLER" "postgres:$DB" | grep -v "^bridge:")" "$(grep -v '^bridge:' <<<"$before")"
  dokku postgres:unlink "$DB" "$CALLER" --no-restart
}

@test "a link to a datastore that was not linked yet does that too, and unlink undoes it" {
  local before
  before="$(snapshot "postgres:$DB")"
  run -0 dokku interservice:link "$CALLER" "postgres:$DB"
  run -0 docker container exec "$CALLER.web.1" printenv DATABASE_URL
  assert_output --partial "@dokku-postgres-$DB:5432/"
  run -0 reaches "$CALLER"

  run -0 dokku interservice:unlink "$CALLER" "postgres:$DB"
  run -1 dokku config:get "$CALLER" DATABASE_URL
  assert_equal "$(snapshot "postgres:$DB")" "$before"
}

@test "unlink puts the legacy option back just where it was" {
  local before
  dokku postgres:link "$DB" "$CALLER" --no-restart
  dokku docker-options:remove "$CALLER" build "--link dokku.postgres.$DB:dokku-postgres-$DB"
  before="$(snapshot "$CALLER" "postgres:$DB")"
  run -0 dokku interservice:link "$CALLER" "postgres:$DB" --no-restart
  run -0 dokku interservice:unlink "$CALLER" "postgres:$DB" --no-restart
  assert_output --partial "dokku ps:restart $CALLER"
  assert_equal "$(snapshot "$CALLER" "postgres:$DB")" "$before"

  # and where the link cannot be read any more, in all phases
  run -0 dokku interservice:link "$CALLER" "postgres:$DB" --no-restart
  echo garbage >"$(dokku_lib)/data/interservice/links/$CALLER/postgres:$DB"
  run -0 dokku interservice:unlink "$CALLER" "postgres:$DB" --no-restart
  run -0 dokku docker-options:report "$CALLER" --docker-options-deploy
  assert_output "--link dokku.postgres.$DB:dokku-postgres-$DB"
  dokku postgres:unlink "$DB" "$CALLER" --no-restart
  assert_nothing_left "$CALLER" "postgres:$DB"
}

@test "what runs reaches the database until the restart of unlink is over" {
  run -0 dokku interservice:link "$CALLER" "postgres:$DB"
  in_background "$BATS_TEST_TMPDIR/unlink" dokku interservice:unlink "$CALLER" "postgres:$DB"
  wait_until 60 eval "docker ps --quiet --filter 'name=^$CALLER\.web\.1\.upcoming' | grep ."
  run -0 reaches "$CALLER"
  wait_until 120 test -e "$BATS_TEST_TMPDIR/unlink"
  assert_nothing_left "$CALLER" "postgres:$DB"
}

@test "a database whose network was removed while it was stopped comes back as status says" {
  local network
  run -0 dokku interservice:link "$CALLER" "postgres:$DB"
  network="$(docker network ls --format '{{ .Name }}' --filter "name=^interservice\.postgres\.$DB\.")"
  dokku postgres:stop "$DB"
  docker network disconnect --force "$network" "$CALLER.web.1"
  docker network rm "$network"
  run ! dokku postgres:start "$DB"
  run -0 dokku interservice:sync
  run -1 dokku interservice:status "$CALLER"
  assert_output --partial "docker rm dokku.postgres.$DB && dokku postgres:start $DB"
  docker rm "dokku.postgres.$DB"
  run -0 dokku postgres:start "$DB"
  wait_until 20 reaches "$CALLER"
  run -0 dokku interservice:status "$CALLER"
  run -0 dokku interservice:unlink "$CALLER" "postgres:$DB"
}

@test "the link survives stop and start, restart, and docker restart of the database" {
  run -0 dokku interservice:link "$CALLER" "postgres:$DB"

  dokku postgres:stop "$DB"
  run ! reaches "$CALLER"
  dokku postgres:start "$DB"
  wait_until 20 reaches "$CALLER"
  dokku postgres:restart "$DB"
  wait_until 20 reaches "$CALLER"
  docker restart "dokku.postgres.$DB"
  wait_until 20 reaches "$CALLER"

  run -0 dokku interservice:unlink "$CALLER" "postgres:$DB"
}

@test "a destroyed database leaves no link, no property and no network" {
  local db
  db="$(new_datastore postgres)"
  run -0 dokku interservice:link "$CALLER" "postgres:$db" --no-restart
  run -0 dokku postgres:unlink "$db" "$CALLER" --no-restart
  run -0 dokku postgres:destroy "$db" --force

  run -0 --separate-stderr dokku interservice:list "$CALLER" --format json
  assert_output "[]"
  run -0 docker network ls --quiet --filter "name=interservice.postgres.$db"
  assert_output ""
}

@test "no output, file or process argument shows the password" {
  local password
  password="$(dokku postgres:info "$DB" --dsn | sed -E 's#.*:([^@]*)@.*#\1#')"
  [[ -n "$password" ]]
  run -0 dokku interservice:link "$CALLER" "postgres:$DB" --no-restart
  refute_output --partial "$password"
  run -0 dokku interservice:sync
  refute_output --partial "$password"
  run dokku interservice:status
  refute_output --partial "$password"
  run -0 dokku interservice:list
  refute_output --partial "$password"
  run -0 dokku interservice:report "$CALLER"
  refute_output --partial "$password"
  run -1 grep -rF "$password" "$(dokku_lib)/data/interservice" "$(dokku_lib)/config/interservice"
  run -0 dokku interservice:unlink "$CALLER" "postgres:$DB" --no-restart
  refute_output --partial "$password"
}

@test "a link to a datastore that was cut short is finished by sync, and unlinked if it is not" {
  run -0 dokku interservice:link "$CALLER" "postgres:$DB" --no-restart
  run -0 dokku config:unset --no-restart "$CALLER" DATABASE_URL
  run -0 dokku interservice:sync --dry-run
  assert_output --partial "link postgres:$DB to $CALLER"
  run -0 dokku interservice:sync
  run -0 dokku config:get "$CALLER" DATABASE_URL
  assert_output --partial "dokku-postgres-$DB"

  run -0 dokku config:unset --no-restart "$CALLER" DATABASE_URL
  run -0 dokku interservice:unlink "$CALLER" "postgres:$DB" --no-restart
  assert_nothing_left "$CALLER" "postgres:$DB"
}

@test "an unlink from a datastore that was cut short makes sync fail, with the command that ends it" {
  run -0 dokku interservice:link "$CALLER" "postgres:$DB" --no-restart
  sed -i "/^$CALLER\$/d" "$(dokku_lib)/services/postgres/$DB/LINKS"
  run -1 dokku interservice:sync
  assert_output --partial "dokku postgres:unlink $DB $CALLER --no-restart"
  run -0 dokku postgres:unlink "$DB" "$CALLER" --no-restart
  assert_nothing_left "$CALLER" "postgres:$DB"
  run -0 dokku interservice:sync
}

@test "a datastore whose name no app may have is linked under the host name that it has" {
  local db="DB-${DB}_"
  run -0 dokku postgres:create "$db"
  run -0 dokku interservice:link "$CALLER" "postgres:$db" --no-restart
  run -0 caller_resolve "$CALLER" "dokku-postgres-DB-$DB-"
  run -0 --separate-stderr dokku interservice:list "$CALLER"
  assert_output --partial "postgres:$db"
  # shellcheck disable=SC2154 # bats sets it
  assert_equal "$stderr" ""
  run -0 dokku interservice:unlink "$CALLER" "postgres:$db" --no-restart
  destroy_datastores postgres "$db"
  assert_nothing_left "postgres:$db"
}
