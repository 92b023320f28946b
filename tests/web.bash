# shellcheck shell=bash
# What the suites of web share, at their top: `load web`.
#
# web runs from its image, as it ships: no user, no capability, nothing to write to. Unless a test
# says otherwise it stands on the host's network, and calls a fake checker there that answers as
# the test tells it to.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert

TESTS="$(cd "${BASH_SOURCE[0]%/*}" && pwd)"
HARDENED=(--read-only --cap-drop ALL --security-opt no-new-privileges --pids-limit 64 --user 65532:65532)

# web_suite_up, web_suite_down: for setup_file and teardown_file.
web_suite_up() {
  WEB_SUITE="web-test-$(od -An -N5 -tx1 /dev/urandom | tr -d ' \n')"
  WEB_IMAGE="$("$TESTS/../helpers/build-images" web)"
  export WEB_SUITE WEB_IMAGE
}

web_suite_down() {
  docker ps --all --quiet --filter "label=com.dokku.interservice.test-suite=$WEB_SUITE" \
    | xargs --no-run-if-empty docker rm --force --volumes >/dev/null
  docker network ls --quiet --filter "label=com.dokku.interservice.test-suite=$WEB_SUITE" \
    | xargs --no-run-if-empty docker network rm >/dev/null
}

# await SECONDS COMMAND...: until it succeeds.
await() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    if ((SECONDS >= end)); then
      echo "in vain, for long: $*" >&2
      return 1
    fi
    sleep 0.05
  done
}

# labelled: the options of what docker makes for this suite.
labelled() { echo "--label=com.dokku.interservice.test-suite=$WEB_SUITE"; }

# network NAME: one with a subnet of its own; Docker's default pools are soon used up.
network() {
  local subnet
  for _ in {1..20}; do
    subnet="10.$((RANDOM % 50 + 150)).$((RANDOM % 256)).0/24"
    if docker network create "$(labelled)" --subnet "$subnet" "$1" >/dev/null 2>&1; then
      return
    fi
  done
  fail "no subnet is free for $1"
}

# --- the fake checker ---

# fake_up [ADDRESS...]: answers as $FAKE/mode says; http://127.0.0.1:$FAKE_PORT/ping asks it.
fake_up() {
  FAKE="$BATS_TEST_TMPDIR/fake"
  mkdir -p "$FAKE"
  echo 200 >"$FAKE/mode"
  : >"$FAKE/requests"
  "$TESTS/fake-checker" "$FAKE" "$@" 3>&- &
  FAKE_PID=$!
  await 10 test -s "$FAKE/port"
  FAKE_PORT="$(cat "$FAKE/port")"
}

fake_down() {
  [[ -z "$FAKE_PID" ]] || kill "$FAKE_PID" 2>/dev/null || true
  FAKE_PID=""
}

fake_says() { echo "$*" >"$FAKE/mode"; }

fake_requests() { stat --format %s "$FAKE/requests"; }

# --- web ---

# web_up [DOCKER OPTION...]: starts it, on the host's network or $WEB_NETWORK; $WEB is its
# container, http://127.0.0.1:$WEB_PORT its place on the host's.
web_up() {
  WEB="$(docker run --detach "$(labelled)" "${HARDENED[@]}" --network "${WEB_NETWORK:-host}" --env PORT=0 \
    --env "CHECK_DB_URL=http://127.0.0.1:$FAKE_PORT/ping" "$@" "$WEB_IMAGE")"
  await 10 web_listens
  WEB_PORT="$(docker logs "$WEB" 2>/dev/null | sed -n 's/.* listens on port //p')"
}

# web_place: where it listens on a network of its own, as ADDRESS:PORT.
web_place() {
  echo "$(docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$WEB"):$WEB_PORT"
}

web_listens() { docker logs "$WEB" 2>&1 | grep -q "listens on port"; }

web_down() {
  [[ -z "$WEB" ]] || docker rm --force "$WEB" >/dev/null
  WEB=""
}

# get PATH [CURL OPTION...]: sets $status and $body.
# shellcheck disable=SC2034 # the tests read them
get() {
  local path="$1" answer
  shift
  answer="$(curl --silent --show-error --max-time 20 --write-out '\n%{http_code}' "$@" "http://127.0.0.1:$WEB_PORT$path")"
  status="${answer##*$'\n'}"
  body="${answer%$'\n'*}"
  body="${body%$'\n'}"
}

# says STATUS BODY: what /check_db answers.
says() {
  get /check_db
  assert_equal "$status $body" "$1 $2"
}

# web_log: what it logged since it listens.
web_log() { docker logs "$WEB" 2>&1 | grep -v "listens on port"; }
