#!/usr/bin/env bats
# web, as it ships, over real sockets: each outcome, each limit, each endpoint.

load web
# shellcheck disable=SC2154 # `get` of web.bash sets it
: "$body"

setup_file() {
  web_suite_up
  CHECKER_IMAGE="$("$TESTS/../helpers/build-images" checker)"
  export CHECKER_IMAGE
}

teardown_file() { web_suite_down; }

teardown() {
  web_down
  fake_down
}

@test "before there is a link, /check_db is 500 and names the host that could not be resolved" {
  FAKE_PORT=1 web_up --env CHECK_DB_URL=
  says 500 "could not check if DB is available: could not resolve db-checker: no such host"
}

@test "every outcome has its status and its sentence" {
  fake_up
  web_up --env CHECK_TIMEOUT=500ms
  local cannot="could not check if DB is available: 127.0.0.1:$FAKE_PORT"

  says 200 "DB is available"
  fake_says 424
  says 503 "DB is not available. Error: connect: connection refused"
  fake_says 404
  says 500 "$cannot answers with status 404"
  fake_says 301
  says 500 "$cannot answers with status 301"
  fake_says close
  says 500 "$cannot closes the connection before its answer is complete"
  fake_says cut
  says 500 "$cannot closes the connection before its answer is complete"
  fake_says garbage
  says 500 "$cannot gives an answer that is not valid HTTP"
  fake_says hang
  says 500 "$cannot does not answer in time"
  fake_says 200
  says 200 "DB is available"
  fake_down
  says 500 "$cannot refuses the connection"
}

@test "a check that may take longer than the server's answers is still answered by what it found" {
  fake_up
  web_up --env CHECK_TIMEOUT=3s --env SERVER_ANSWER_TIMEOUT=1s
  fake_says hang
  says 500 "could not check if DB is available: 127.0.0.1:$FAKE_PORT does not answer in time"
}

@test "only a change of state is logged" {
  fake_up
  web_up
  for _ in 1 2 3; do get /check_db; done
  fake_says 424
  for _ in 1 2 3; do get /check_db; done
  fake_says 200
  for _ in 1 2 3; do get /check_db; done

  run -0 web_log
  assert_output "DB is available
DB is not available. Error: connect: connection refused
DB is available"
}

@test "where an address refuses, the next one is tried" {
  local network="$WEB_SUITE-n" name="service-$RANDOM" answering silent
  "$TESTS/images/build" provider
  network "$network"
  answering="$(docker run --detach "$(labelled)" --network "$network" --network-alias "$name" interservice-test/provider:1)"
  silent="$(docker run --detach "$(labelled)" --network "$network" --network-alias "$name" interservice-test/provider:1 sleep 600)"
  FAKE_PORT=1 WEB_NETWORK="$network" web_up --env "CHECK_DB_URL=http://$name:5000/"

  local client=(docker exec "$answering" python3 -c '
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1]).read().decode(), end="")')
  await 10 "${client[@]}" "http://127.0.0.1:5000/"
  for _ in {1..20}; do
    run -0 "${client[@]}" "http://$(web_place)/check_db"
    assert_output "DB is available"
  done

  web_down
  docker rm --force "$answering" "$silent" >/dev/null
  docker network rm "$network" >/dev/null
}

@test "every check looks the name up anew" {
  local network="$WEB_SUITE-m" name="service-$RANDOM" first second
  "$TESTS/images/build" provider
  network "$network"
  first="$(docker run --detach "$(labelled)" --network "$network" --network-alias "$name" interservice-test/provider:1)"
  FAKE_PORT=1 WEB_NETWORK="$network" web_up --env "CHECK_DB_URL=http://$name:5000/"
  second="$(docker run --detach "$(labelled)" --network "$network" interservice-test/provider:1)"
  local client=(docker exec "$second" python3 -c '
import json, sys, urllib.request
print(json.load(urllib.request.urlopen(urllib.request.Request(
    sys.argv[1], headers={"Accept": "application/json"})))["replica"])' "http://$(web_place)/check_db")

  await 10 "${client[@]}"
  run -0 "${client[@]}"
  assert_output "${first:0:12}"
  docker rm --force "$first" >/dev/null
  docker network disconnect "$network" "$second"
  docker network connect --alias "$name" "$network" "$second"
  await 10 "${client[@]}"
  run -0 "${client[@]}"
  assert_output "${second:0:12}"

  web_down
  docker rm --force "$second" >/dev/null
  docker network rm "$network" >/dev/null
}

@test "requests that come together share one check" {
  fake_up
  web_up
  fake_says slow 700
  # one client: forty would not start within 700 ms on a busy machine
  run -0 --separate-stderr curl --silent --fail --max-time 20 --parallel --parallel-immediate --parallel-max 40 \
    --output /dev/null --write-out '%{http_code}\n' "http://127.0.0.1:$WEB_PORT/check_db?[1-40]"
  assert_equal "$(sort <<<"$output" | uniq -c | tr -s ' ')" " 40 200"
  # The first began one, the others waited for the next; a slow machine may take a third.
  (($(fake_requests) <= 3)) || fail "40 requests cost $(fake_requests) checks"
}

@test "an answer is never older than its request" {
  fake_up
  web_up
  for _ in {1..20}; do
    fake_says 424
    get /check_db
    assert_equal "$status" 503
    fake_says 200
    get /check_db
    assert_equal "$status" 200
  done
}

@test "JSON tells the phases and their times to who accepts it" {
  fake_up
  fake_says replica db-checker.web.2
  web_up
  get /check_db --header 'Accept: text/html;q=0.5, application/json;q=0.9'
  assert_equal "$status" 200
  jq --exit-status '
    .name == "db" and .state == "available" and .message == "DB is available"
    and .failed_phase == null and .reason == null and .answer_status == 200
    and .address == "127.0.0.1" and .replica == "db-checker.web.2"
    and .phases.connect_ms > 0 and .phases.answer_ms > 0 and .total_ms > 0
    and (.checked_at | fromdate) > 0' <<<"$body"

  fake_says 424
  get /check_db --header 'Accept: application/json'
  assert_equal "$status" 503
  jq --exit-status '.state == "unavailable" and .failed_phase == "database"
    and .reason == "connect: connection refused" and .answer_status == 424' <<<"$body"

  fake_down
  get /check_db --header 'Accept: application/json'
  assert_equal "$status" 500
  jq --exit-status '.state == "failed" and .failed_phase == "connect" and .answer_status == null' <<<"$body"

  for weight in 0 0.0 0.000; do
    get /check_db --header "Accept: application/json;q=$weight"
    refute [ "${body:0:1}" = "{" ]
  done
}

@test "CHECK_<NAME>_URL makes further targets, asked for one by one or all at once" {
  fake_up
  web_up --env "CHECK_USER_API_URL=http://127.0.0.1:$FAKE_PORT/health" --env CHECK_BILLING_URL=http://127.0.0.1:1/
  get /check/user-api
  assert_equal "$status $body" "200 user-api is available"
  get /check/billing
  assert_equal "$status $body" "500 could not check if billing is available: 127.0.0.1:1 refuses the connection"
  get /check/db
  assert_equal "$status $body" "200 DB is available"
  get /check/nobody
  assert_equal "$status" 404

  get /check
  assert_equal "$status" 500
  assert_equal "$(sort <<<"$body")" "billing: could not check if billing is available: 127.0.0.1:1 refuses the connection
db: DB is available
user-api: user-api is available"
  get /check --header 'Accept: application/json'
  jq --exit-status '[.targets[] | {(.name): .state}] | add == {db: "available", "user-api": "available", billing: "failed"}' <<<"$body"
}

@test "no target is ever taken from a request" {
  fake_up
  web_up --env CHECK_DB_URL=http://127.0.0.1:1/
  get "/check_db?url=http://127.0.0.1:$FAKE_PORT/"
  get "/check/http://127.0.0.1:$FAKE_PORT/" --path-as-is
  get /check_db --header "Host: 127.0.0.1:$FAKE_PORT" --header "X-Forwarded-Host: 127.0.0.1:$FAKE_PORT"
  get /check_db --request-target "http://127.0.0.1:$FAKE_PORT/check_db"
  assert_equal "$status" 500
  assert_equal "$(fake_requests)" 0
}

@test "SIGTERM: what was asked is answered, and the exit is 0" {
  fake_up
  web_up
  fake_says slow 1500
  curl --silent --max-time 20 --output "$BATS_TEST_TMPDIR/answer" "http://127.0.0.1:$WEB_PORT/check_db" 3>&- &
  local curl=$!
  await 10 test -s "$FAKE/requests"
  docker kill --signal TERM "$WEB" >/dev/null
  await 5 refuses "$WEB_PORT"
  wait "$curl"
  assert_equal "$(cat "$BATS_TEST_TMPDIR/answer")" "DB is available"
  assert_equal "$(timeout 10 docker wait "$WEB")" 0
}

refuses() { ! curl --silent --max-time 2 --output /dev/null "http://127.0.0.1:$1/healthz"; }

# once OPTION...: runs web --once with what it finds.
once() { docker run --rm "$(labelled)" "${HARDENED[@]}" --network host "$@" "$WEB_IMAGE" --once; }

@test "--once checks once, and says by its exit code what it found" {
  fake_up
  run -0 once --env "CHECK_DB_URL=http://127.0.0.1:$FAKE_PORT/ping"
  assert_output "DB is available"
  fake_says 424
  run -1 once --env "CHECK_DB_URL=http://127.0.0.1:$FAKE_PORT/ping"
  assert_output "DB is not available. Error: connect: connection refused"
  run -3 once --env CHECK_DB_URL=http://127.0.0.1:1/
  assert_output "could not check if DB is available: 127.0.0.1:1 refuses the connection"
  run -3 once --env "CHECK_DB_URL=http://127.0.0.1:$FAKE_PORT/ping" --env CHECK_X_URL=http://127.0.0.1:1/
  assert_line "db: DB is not available. Error: connect: connection refused"
}

@test "wrong settings and arguments are told in a line, with exit code 2" {
  run -2 once --env CHECK_DB_URL=db-checker:5000
  assert_output 'web: the URL of the target "db" does not begin with a scheme such as http://'
  run -2 once --env CHECK_DB_URL=https://db-checker/
  run -2 once --env CHECK_TIMEOUT=soon
  assert_output --partial CHECK_TIMEOUT
  run -2 docker run --rm "$(labelled)" "$WEB_IMAGE" --nonsense
  run -2 docker run --rm "$(labelled)" --env CHECK_API_URL=nonsense "$WEB_IMAGE"
  run -0 docker run --rm "$(labelled)" "$WEB_IMAGE" --help
  assert_output --partial "CHECK_<NAME>_URL"
  run -0 docker run --rm "$(labelled)" "$WEB_IMAGE" --version
  assert_output --regexp '^web [0-9]+\.[0-9]+\.[0-9]+$'
}

@test "a password is in no output" {
  run -2 once --env CHECK_DB_URL=http://me:SECRET@db-checker/
  refute_output --partial SECRET

  fake_up
  web_up --env "CHECK_DB_URL=http://127.0.0.1:$FAKE_PORT/ping?token=SECRET"
  local path
  for mode in 200 424 close 301; do
    fake_says "$mode"
    for path in / /check_db /check /check/db /history /metrics /badge.svg /badge/db.svg /nowhere; do
      get "$path" --include
      [[ "$body" != *SECRET* ]] || fail "$path tells it"
      get "$path" --include --header 'Accept: application/json'
      [[ "$body" != *SECRET* ]] || fail "$path tells it"
    done
    run curl --silent --max-time 2 "http://127.0.0.1:$WEB_PORT/events"
    assert_output --partial '"title"'
    refute_output --partial SECRET
  done
  run -0 docker logs "$WEB"
  refute_output --partial SECRET
}

# --- the page and what belongs to it ---

@test "the page is a snapshot without JavaScript, loads nothing from elsewhere, and is guarded" {
  fake_up
  web_up --env APP_NAME=shop
  get / --include
  assert_equal "$status" 200
  run -0 cat <<<"$body"
  assert_output --partial "DB is available</h1>"
  assert_output --partial "<strong>shop</strong>"
  assert_output --partial "Content-Security-Policy: default-src 'none';"
  refute_output --partial "unsafe"
  for header in "X-Content-Type-Options: nosniff" "X-Frame-Options: DENY" "Referrer-Policy: no-referrer" \
    "Cross-Origin-Resource-Policy: same-origin"; do
    assert_output --partial "$header"
  done
  refute_output --partial "Strict-Transport-Security"
  refute_output --partial "Cross-Origin-Opener-Policy"
  refute_output --regexp '(src|href)="(https?:)?//'
  refute_output --regexp ' (style|on[a-z]+)="'

  get / --include --header 'X-Forwarded-Proto: https'
  [[ "$body" == *Cross-Origin-Opener-Policy* && "$body" == *Strict-Transport-Security* ]] || fail "$body"

  fake_says 424
  get /
  run -0 cat <<<"$body"
  assert_output --partial "DB is not available</h1>"
  assert_output --partial "dokku postgres:info"
  local assets asset
  mapfile -t assets < <(grep -o '\(href\|src\)="\(page\|icon\)[^"]*"' <<<"$body" | cut -d '"' -f 2)
  assert_equal "${#assets[@]}" 3
  for asset in "${assets[@]}"; do
    get "/$asset" --include
    assert_equal "$status" 200
    [[ "$body" == *immutable* ]] || fail "$asset is not kept by browsers"
  done
}

@test "a page that waits for a silent service shows what is known" {
  fake_up
  web_up
  fake_says hang
  get /
  assert_equal "$status" 200
  [[ "$body" == *"Checking DB</h1>"* ]] || fail "$body"
}

@test "a hundred open pages cost no more checks than one" {
  fake_up
  web_up
  local i pids=() before
  for ((i = 0; i < 100; i++)); do
    curl --silent --no-buffer --max-time 60 --output "$BATS_TEST_TMPDIR/events.$i" "http://127.0.0.1:$WEB_PORT/events" 3>&- &
    pids+=($!)
  done
  await 20 watchers 100
  before="$(fake_requests)"
  sleep 4
  # One a second; the rest is what a slow machine may add.
  (($(fake_requests) - before <= 7)) || fail "$(($(fake_requests) - before)) checks in 4 seconds"
  for i in 0 50 99; do
    sed -n 's/^data: //p' "$BATS_TEST_TMPDIR/events.$i" | tail -n 1 | jq --exit-status \
      '.title == "DB is available" and .state.hop2 == "ok" and .text.headline == .title and (.bars | length) == 60'
  done

  kill "${pids[@]}"
  await 20 watchers 0
  before="$(fake_requests)"
  sleep 2
  assert_equal "$(fake_requests)" "$before"
}

watchers() {
  get /metrics
  grep -q "^web_watchers $1$" <<<"$body"
}

@test "/history tells uptime and percentiles as JSON" {
  fake_up
  web_up
  for _ in {1..8}; do get /check_db; done
  fake_says 424
  for _ in {1..2}; do get /check_db; done
  get /history
  jq --exit-status '
    .version == 1 and (.targets | length) == 1
    and (.targets[0] | .name == "db" and .state == "unavailable" and (.last | length) == 10
      and (.last[0].available) and (.last[9].available | not)
      and (.windows["1h"], .windows["24h"] | .checks == 10 and .available == 8 and .uptime == 0.8
        and .p50_ms > 0 and .p50_ms <= .p95_ms and .p95_ms <= .p99_ms))' <<<"$body"
}

@test "/badge.svg shows the state" {
  fake_up
  web_up
  get /badge.svg --include
  [[ "$body" == *"Content-Type: image/svg+xml"* && "$body" == *"DB: available"* ]] || fail "$body"
  fake_says 424
  get /badge.svg
  [[ "$body" == *"DB: not available"* ]] || fail "$body"
  python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parseString(sys.argv[1])' "$body"
  get /badge/db.svg
  assert_equal "$status" 200
  get /badge/nobody.svg
  assert_equal "$status" 404
}

@test "/healthz asks nobody, and /metrics counts" {
  fake_up
  web_up
  get /healthz
  assert_equal "$status $body" "200 ok"
  assert_equal "$(fake_requests)" 0
  get /check_db
  fake_says close
  get /check_db
  get /metrics
  run -0 cat <<<"$body"
  assert_line 'web_target_available{target="db"} 0'
  assert_line 'web_checks_total{target="db",result="available"} 1'
  assert_line 'web_checks_total{target="db",result="failed"} 1'
  "$TESTS/promtool" check metrics <<<"$body"
}

@test "--help and docs/helpers.md name every setting, and the latter every metric" {
  local image help page metric setting
  page="$(<"$TESTS/../docs/helpers.md")"
  for image in "$WEB_IMAGE" "$CHECKER_IMAGE"; do
    help="$(docker run --rm "$(labelled)" "$image" --help)"
    while read -r setting; do
      [[ "$help" == *"$setting"* && "$page" == *"$setting"* ]] || fail "$setting is missing"
    done < <(sed -nE 's/.*\{"([A-Z_]+)", (true|false), .*/\1/p' "$TESTS/../helpers/common/daemon.c")
    WEB_IMAGE="$image" FAKE_PORT=1 web_up
    get /metrics
    while read -r metric; do
      if [[ "$metric" == *_build_info || "$metric" == *_http_* ]]; then metric="${metric#*_}"; fi
      grep -Eq "\`${metric}[\`{]" <<<"$page" || fail "$metric is missing"
    done < <(sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' <<<"$body")
    web_down
  done
}

# --- strangers ---

@test "web refuses every request that must be refused, and lives on" {
  FAKE_PORT=1 web_up
  run -0 "$TESTS/must-reject" 127.0.0.1 "$WEB_PORT"
  assert_output --regexp '^([0-9]+) of \1 refused$'
}

@test "checker refuses every request that must be refused, and lives on" {
  WEB_IMAGE="$CHECKER_IMAGE" FAKE_PORT=1 web_up
  run -0 "$TESTS/must-reject" 127.0.0.1 "$WEB_PORT"
  assert_output --regexp '^([0-9]+) of \1 refused$'
}
