#!/usr/bin/env bats
# The page of web in a real browser.

load web

setup_file() {
  "$TESTS/images/build" postgres
  web_suite_up
  CHECKER_IMAGE="$("$TESTS/../helpers/build-images" checker)"
  export CHECKER_IMAGE
}

teardown_file() { web_suite_down; }

teardown() {
  web_down
  fake_down
}

@test "the page turns red and green without a reload, and can be read, heard and reached in each state" {
  fake_up
  web_up --env CHECK_TIMEOUT=1s --env CHECK_BILLING_URL=http://127.0.0.1:1/a-long-name-that-has-to-break-somewhere-on-a-telephone \
    --env CHECK_STATE_URL=http://127.0.0.1:1/ --env "CHECK_TITLE_URL=http://127.0.0.1:$FAKE_PORT/"
  "$TESTS/web-page" states "http://127.0.0.1:$WEB_PORT/" "$FAKE" || fail "see above"
}

@test "the page follows a PostgreSQL that stops and comes back" {
  local n="$WEB_SUITE-chain"
  network "$n"
  docker run --detach "$(labelled)" --name "$n-db" --network "$n" --network-alias db \
    --env POSTGRES_PASSWORD=never-shown interservice-test/postgres:15 >/dev/null
  docker run --detach "$(labelled)" --network "$n" --network-alias db-checker \
    --env DATABASE_URL=postgres://postgres:never-shown@db/postgres "$CHECKER_IMAGE" >/dev/null
  FAKE_PORT=1 WEB_NETWORK="$n" web_up --env CHECK_DB_URL=

  "$TESTS/web-page" follows "http://$(web_place)/" "docker stop $n-db" "docker start $n-db" || fail "see above"
}

@test "a page that lost its server finds it again by itself" {
  fake_up
  web_up
  run -0 "$TESTS/web-page" returns "http://127.0.0.1:$WEB_PORT/" "
    docker stop $WEB; sleep 2
    docker run --detach $(labelled) --network host --env PORT=$WEB_PORT --env CHECK_DB_URL=http://127.0.0.1:$FAKE_PORT/ $WEB_IMAGE"
}
