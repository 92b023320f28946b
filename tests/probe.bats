#!/usr/bin/env bats
# probe between real containers: check, and announce, which is why a caller's first request to a
# new container does not wait.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert

TESTS="$(cd "${BATS_TEST_FILENAME%/*}" && pwd)"

setup_file() {
  SUITE="probe-test-$(od -An -N5 -tx1 /dev/urandom | tr -d ' \n')"
  PROBE="$("$TESTS/../helpers/build-images" probe)"
  export SUITE PROBE
  "$TESTS/images/build" provider redis postgres
}

teardown() {
  local mine
  mine="label=com.dokku.interservice.test=$(id)"
  docker ps --all --quiet --filter "$mine" | xargs --no-run-if-empty docker rm --force --volumes >/dev/null
  docker network ls --quiet --filter "$mine" | xargs --no-run-if-empty docker network rm >/dev/null
}

id() { echo "$SUITE-$BATS_TEST_NUMBER"; }

# network NAME: a network with a subnet of its own; Docker's default pools are soon used up.
network() {
  local subnet
  for _ in {1..20}; do
    subnet="10.$((RANDOM % 50 + 200)).$((RANDOM % 256)).0/24"
    if docker network create --label "com.dokku.interservice.test=$(id)" --subnet "$subnet" "$1" >/dev/null 2>&1; then
      return
    fi
  done
  fail "no subnet is free for $1"
}

# container NAME [DOCKER OPTION...] IMAGE [COMMAND...]
container() {
  local name="$1"
  shift
  docker run --detach --label "com.dokku.interservice.test=$(id)" --name "$name" "$@" >/dev/null
}

address_on() { docker inspect --format "{{(index .NetworkSettings.Networks \"$2\").IPAddress}}" "$1"; }

# probe NETWORK ARGUMENT...: as the plugin runs it; any user, no capability.
probe() {
  docker run --rm --label "com.dokku.interservice.test=$(id)" --network "$1" --user 4711:4711 \
    --read-only --cap-drop ALL "$PROBE" "${@:2}"
}

await() {
  local end=$((SECONDS + 30))
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= end)); then
      echo "in vain, for long: $*" >&2
      return 1
    fi
    sleep 0.1
  done
}

# --- check ---

@test "check tells of each target, in their order, what answers and what does not" {
  local n
  n="$(id)"
  network "$n"
  container "$n-app" --network "$n" --network-alias app interservice-test/provider:1
  container "$n-idle" --network "$n" --network-alias idle interservice-test/provider:1 sleep 600
  container "$n-redis" --network "$n" --network-alias cache --env REDIS_PASSWORD=x interservice-test/redis:7
  container "$n-db" --network "$n" --network-alias db --env POSTGRES_PASSWORD=x interservice-test/postgres:15
  await probe "$n" check http://app:5000/ redis://cache postgres://db

  run -0 probe "$n" check http://app:5000/fail http://app:5000/health redis://cache:6379 postgres://db tcp://app:5000
  assert_equal "${#lines[@]}" 5
  jq --exit-status --slurp '
    map(.host) == ["app", "app", "cache", "db", "app"] and map(.port) == [5000, 5000, 6379, 5432, 5000]
    and all(.resolve.ok and .resolve.ms > 0 and .resolve.error == null and (.resolve.addresses | length) == 1)
    and all(.addresses | length == 1 and all(.ok and .error == null and .connect_ms > 0))
    and map(.addresses[0].status) == [500, 200, null, null, null]
    and map(.addresses[0].phase) == ["answer", "answer", "answer", "answer", "connect"]
    and all(has("spread") | not)' <<<"$output"

  run -1 probe "$n" check --timeout 500ms http://idle:5000/ http://nobody:5000/ http://cache:6379/ http://app:5000/slow?ms=5000
  jq --exit-status --slurp '
    (.[0].addresses[0] | (.ok | not) and .phase == "connect" and .error == "refuses the connection" and .connect_ms == null)
    and (.[1] | (.resolve.ok | not) and .resolve.error == "no such host" and .addresses == [])
    and (.[2].addresses[0] | (.ok | not) and .phase == "answer" and .error == "closes the connection before its answer is complete")
    and (.[3].addresses[0] | (.ok | not) and .phase == "answer" and .error == "does not answer in time")' <<<"$output"
}

@test "check asks every address of a name, and counts who answers" {
  local n i
  n="$(id)"
  network "$n"
  for i in 1 2; do
    container "$n-$i" --network "$n" --network-alias app interservice-test/provider:1
  done
  await probe "$n" check http://app:5000/
  run -0 probe "$n" check --timeout 3s --requests 200 http://app:5000/
  jq --exit-status '
    (.addresses | length) == 2 and all(.addresses[]; .ok)
    and (.spread | length) == 2 and ([.spread[]] | add) == 200 and .requests == 200 and .unanswered == 0
    and (.spread | keys) == (.resolve.addresses | sort)' <<<"$output"

  docker pause "$n-1" >/dev/null
  run -1 probe "$n" check --timeout 1s http://app:5000/
  jq --exit-status '[.addresses[] | .ok] | sort == [false, true]' <<<"$output"

  # and what many requests meet changes nothing of that (there is time for eleven that are not answered)
  run -1 probe "$n" check --timeout 500ms --requests 100 http://app:5000/
  jq --exit-status '(.addresses | map({key: .address, value: .ok}) | from_entries) as $ok
    | ([$ok[]] | sort) == [false, true] and (.spread | keys) == ($ok | map_values(select(.)) | keys)
    and .unanswered > 0 and .requests == .unanswered + ([.spread[]] | add)' <<<"$output"
  docker unpause "$n-1" >/dev/null
}

@test "check gives each of many requests its time: a slow service is well" {
  local n
  n="$(id)"
  network "$n"
  container "$n-app" --network "$n" --network-alias app interservice-test/provider:1
  await probe "$n" check http://app:5000/
  run -0 probe "$n" check --timeout 1s --requests 30 'http://app:5000/slow?ms=50'
  jq --exit-status '.addresses[0].ok and .requests == 30 and .unanswered == 0' <<<"$output"
}

@test "check refuses what it cannot check, and repeats no password" {
  local target
  for target in nonsense https://a/ tcp://a redis://:SECRET@cache gopher://a:70 http://a:0/; do
    run -2 probe none check "$target"
    assert_output --partial "probe: target 1 "
    refute_output --partial SECRET
  done
  run -2 probe none check
  run -2 probe none check --timeout soon http://a/
  run -2 probe none check --requests 0 http://a/
  run -2 probe none check --timeout
  run -2 probe none check --nonsense http://a/
  run -2 probe none
  run -0 probe none --help
  assert_output --partial "probe announce --to"
  run -0 probe none --version
  assert_output --regexp '^probe [0-9]+\.[0-9]+\.[0-9]+$'
}

# --- announce ---

@test "announce without an interface in time ends with 3, and without sense with 2" {
  local n
  n="$(id)"
  container "$n" interservice-test/provider:1
  run -3 probe "container:$n" announce --to 10.255.1.2,fd00::7 --wait 300ms
  assert_line ready
  assert_line "probe: no interface led straight to the callers in time"

  run -2 probe none announce
  run -2 probe none announce --to
  run -2 probe none announce --to ""
  run -2 probe none announce --to 10.0.0.1,
  run -2 probe none announce --to db-checker
  run -2 probe none announce --to 10.0.0.1 --wait long
  run -2 probe none announce --to 10.0.0.1 --for -1s
  run -2 probe none announce --to 10.0.0.1 please
}

@test "announce ends on SIGTERM, although it is the first process of its container" {
  local n
  n="$(id)"
  container "$n" --network none "$PROBE" announce --to 10.0.0.1 --wait 60s
  await is_ready "$n"
  docker kill --signal TERM "$n" >/dev/null
  assert_equal "$(timeout 10 docker wait "$n")" 1
}

is_ready() { docker logs "$1" | grep --quiet --line-regexp ready; }

# publish NETWORK CALLER NEW ADDRESS [announce]: gives NEW the name `app` on a new network that
# sorts before the one where it is ADDRESS; $first_ms is how long a caller's first request there
# took.
publish() {
  local network="$1" caller="$2" new="$3" before="$4" announce="$5" client
  local helper="$new-announce" answer="$BATS_TEST_TMPDIR/first"
  network "$network"
  docker network connect "$network" "$caller"
  docker exec --interactive "$caller" python3 - app 5000 "$before" <"$TESTS/first-request" >"$answer" 3>&- &
  client=$!
  if [[ -n "$announce" ]]; then
    container "$helper" --network "container:$new" --user 4711:4711 "$PROBE" \
      announce --to "$(address_on "$caller" "$network")"
    await is_ready "$helper"
  else
    sleep 0.5 # as long as that takes
  fi
  docker network connect --alias app "$network" "$new"
  wait "$client"
  first_ms="$(cat "$answer")"
  if [[ -n "$announce" ]]; then
    assert_equal "$(timeout 10 docker wait "$helper")" 0
    docker rm --force "$helper" >/dev/null
  fi
  docker network disconnect "$network" "$new"
  docker network disconnect "$network" "$caller"
  docker network rm "$network" >/dev/null
}

@test "the first request to a container that is announced does not wait for ARP" {
  local n i before first_ms with=() without=()
  n="$(id)"
  network "$n-z"
  container "$n-caller" interservice-test/provider:1 sleep 600
  container "$n-old" --network "$n-z" --network-alias app interservice-test/provider:1
  container "$n-new" interservice-test/provider:1
  docker network connect "$n-z" "$n-caller"
  before="$(address_on "$n-old" "$n-z")"
  await docker exec "$n-new" python3 -c 'import urllib.request; urllib.request.urlopen("http://127.0.0.1:5000/health")'

  for i in 1 2 3 4 5; do
    publish "$n-a$i" "$n-caller" "$n-new" "$before" ""
    without+=("$first_ms")
    publish "$n-b$i" "$n-caller" "$n-new" "$before" announce
    with+=("$first_ms")
  done
  mapfile -t without < <(printf '%s\n' "${without[@]}" | sort -n)
  mapfile -t with < <(printf '%s\n' "${with[@]}" | sort -n)
  echo "# first request, ms, of five: announced ${with[*]}; not announced ${without[*]}" >&3

  # The medians; engines from 28 on announce by themselves, then there is nothing to gain.
  if ((without[2] >= 900)); then
    ((with[2] * 2 < without[2])) || fail "announced: ${with[*]} ms, not announced: ${without[*]} ms"
  fi
}

@test "containers are announced side by side" {
  local n i
  n="$(id)"
  network "$n"
  container "$n-caller" --network "$n" interservice-test/provider:1 sleep 600
  for i in 1 2 3; do
    container "$n-$i" interservice-test/provider:1
    container "$n-announce-$i" --network "container:$n-$i" "$PROBE" announce --to "$(address_on "$n-caller" "$n")"
  done
  for i in 1 2 3; do await is_ready "$n-announce-$i"; done
  for i in 1 2 3; do docker network connect --alias app "$n" "$n-$i"; done
  for i in 1 2 3; do assert_equal "$(timeout 20 docker wait "$n-announce-$i")" 0; done
}
