#!/usr/bin/env bats
# The story of the README, step by step, with the helper daemons: what the article of 2018 did by
# hand, and what it could not do.
load helpers

setup_file() {
  dokku_up
  "$TESTS/../helpers/build-images" >/dev/null
  WEB="$(unique_name)" CHECKER="$(unique_name)" DB="$(unique_name)"
  export WEB CHECKER DB
  dokku postgres:create "$DB"
  dokku interservice:deploy checker "$CHECKER"
  dokku checks:set "$CHECKER" wait-to-retire 5
  dokku postgres:link "$DB" "$CHECKER"
  dokku interservice:deploy web "$WEB"
  dokku checks:set "$WEB" wait-to-retire 5
}

teardown_file() {
  docker container rm --force "$WEB-beside.web.1" 2>/dev/null || true
  destroy_apps "$WEB" "$CHECKER"
  destroy_datastores postgres "$DB"
  dokku_down
}

# from_web COMMAND...: in the network namespace of web, whose image has nothing but web.
from_web() {
  docker container run --rm --network "container:$(app_container "$WEB")" interservice-test/client:1 "$@"
}

check_db_is() {
  [[ "$(http_get "$WEB" /check_db)" == "$1 $2"* ]]
}

@test "1. before the link web says which host it could not find" {
  run -0 http_get "$WEB" /check_db
  assert_output --regexp "^500 could not check if DB is available: .*db-checker"
}

@test "2. one command, and the answer is that the database is there" {
  run -0 dokku interservice:link "$WEB" "$CHECKER" --env CHECK_DB_URL --path /ping
  run -0 http_get "$WEB" /check_db
  assert_output --partial "200 DB is available"
}

@test "3. the same from the command line, at once or when it is there" {
  run -0 dokku run "$CHECKER" --once
  assert_output --partial "DB is available"
  run -0 dokku run "$CHECKER" --wait 30s
  assert_output --partial "DB is available"
}

@test "4. three replicas, and each of them answers" {
  run -0 dokku ps:scale "$CHECKER" web=3
  run -0 --separate-stderr from_web client load --kind new --url "http://$CHECKER:5000/ping" --rate 20 --seconds 5 --timeout 3
  assert_equal "$(jq -r '.failed, (.replicas | length)' <<<"$output" | xargs)" "0 3"
}

@test "5. a deploy under load fails no request" {
  # beside web, whose image has no client
  docker container run --detach --rm --name "$WEB-beside.web.1" --network "container:$(app_container "$WEB")" interservice-test/client:1 sleep 600
  start_load rebuild "$WEB-beside" "http://$CHECKER:5000/ping" new --rate 20 --clients 2 --timeout 3
  run -0 dokku ps:rebuild "$CHECKER"
  assert_load "$(stop_load rebuild)"
}

@test "6. status measures the link, and exits 0" {
  run -0 dokku interservice:status "$WEB"
  assert_output --partial "$CHECKER"
}

@test "7. a database that stops is told, and it is back when it is back" {
  dokku postgres:stop "$DB"
  wait_until 20 check_db_is 503 "DB is not available"
  # the link of web works: it carries that answer; the checker's own is the one that is broken
  run -0 dokku interservice:status "$WEB"
  run -1 dokku interservice:status "$CHECKER"
  assert_output --partial "postgres:$DB"

  dokku postgres:start "$DB"
  # Docker's legacy link of the running checker may keep an old address, until it is deployed
  run -0 dokku ps:rebuild "$CHECKER"
  wait_until 20 check_db_is 200 "DB is available"
  run -0 dokku interservice:status "$WEB"
}

@test "8. unlinked, web is where it was" {
  run -0 dokku interservice:unlink "$WEB" "$CHECKER"
  run -0 http_get "$WEB" /check_db
  assert_output --regexp "^500 could not check if DB is available: "
  run -0 docker network ls --quiet --filter "name=^interservice\.$CHECKER\."
  assert_output ""
}
