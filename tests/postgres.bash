# shellcheck shell=bash
# PostgreSQL servers and checkers in containers, and the faults one can give them: `load postgres`.
#
# Nothing of Dokku is needed. All that is made carries the label com.dokku.interservice.test-stage=$STAGE
# and goes at the end of the suite; what a test made goes at the end of the test.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert

TESTS="${BASH_SOURCE[0]%/*}"

# Must never be seen anywhere but here and in a URL.
PASSWORD="never-shown-0451"

# The checker's default deadline, and what a busy machine may add to it: below the 5 s of Dokku's checks.
DEADLINE_MS=2000
MARGIN_MS=1000

answer_status="" answer_body="" answer_ms="" # what `ask` finds

stage_up() {
  "$TESTS/images/build" postgres provider
  CHECKER_IMAGE="$("$TESTS/../helpers/build-images" checker)"
  STAGE="s$(od -An -N5 -tx1 /dev/urandom | tr -d ' \n')"
  export STAGE CHECKER_IMAGE
  docker network create --label "com.dokku.interservice.test-stage=$STAGE" "$STAGE" >/dev/null
}

stage_down() {
  remove_containers "com.dokku.interservice.test-stage=$STAGE"
  docker network rm "$STAGE" >/dev/null
}

# What every test ends with: its password is in no line that any checker of its own wrote, and in no metric.
test_down() {
  local container
  for container in $(docker container ls --all --quiet --filter "label=com.dokku.interservice.checker=$(test_id)"); do
    run -1 grep --fixed-strings "$PASSWORD" <(docker logs "$container" 2>&1)
    refute_password "$(get "$container" /metrics 2>/dev/null || true)" # not of those that have ended
  done
  remove_containers "com.dokku.interservice.test-id=$(test_id)"
}

test_id() { echo "$STAGE-${BATS_TEST_NUMBER:-0}"; }

remove_containers() {
  docker container ls --quiet --filter "label=$1" --filter status=paused \
    | xargs --no-run-if-empty docker unpause >/dev/null
  docker container ls --all --quiet --filter "label=$1" \
    | xargs --no-run-if-empty docker container rm --force --volumes >/dev/null
}

# container_run NAME [docker run's arguments...]: in the background, on the stage's network, where
# others know it as the name that is printed.
container_run() {
  local name
  name="$(test_id)-$1"
  docker run --detach --name "$name" --network "$STAGE" \
    --label "com.dokku.interservice.test-stage=$STAGE" --label "com.dokku.interservice.test-id=$(test_id)" \
    "${@:2}" >/dev/null
  echo "$name"
}

container_address() { docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$1"; }

container_pid() { docker inspect --format '{{.State.Pid}}' "$1"; }

# await COMMAND...: until it succeeds, half a minute at most.
await() {
  local end=$((SECONDS + 30))
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= end)); then
      echo "waited in vain for: $*" >&2
      return 1
    fi
    sleep 0.05
  done
}

# --- PostgreSQL ---

# postgres_run NAME [server's arguments...]: returns when it lets in; prints its host name.
postgres_run() {
  local postgres
  postgres="$(container_run "$1" --env "POSTGRES_PASSWORD=$PASSWORD" interservice-test/postgres:15 "${@:2}")"
  await docker exec "$postgres" pg_isready --host 127.0.0.1
  echo "$postgres"
}

# postgres_tls_run NAME: one whose certificate is for its own name; that is all there is to trust,
# and is left in $BATS_TEST_TMPDIR/ca.crt.
postgres_tls_run() {
  local postgres
  postgres="$(container_run "$1" --env "POSTGRES_PASSWORD=$PASSWORD" --entrypoint bash interservice-test/postgres:15 -c "
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
      -keyout /tmp/tls.key -out /tmp/tls.crt -subj /CN=test -addext subjectAltName=DNS:$(test_id)-$1 &&
    exec /entrypoint -c ssl_cert_file=/tmp/tls.crt -c ssl_key_file=/tmp/tls.key")"
  await docker exec "$postgres" pg_isready --host 127.0.0.1
  docker cp "$postgres:/tmp/tls.crt" "$BATS_TEST_TMPDIR/ca.crt" >/dev/null
  chmod a+r "$BATS_TEST_TMPDIR/ca.crt"
  echo "$postgres"
}

# sql POSTGRES STATEMENT
sql() { docker exec "$1" psql --host /tmp --username postgres --tuples-only --no-align --quiet --command "$2"; }

# url HOST [?OPTIONS]: with the right password. "HOST" may be a list.
url() { echo "postgres://postgres:$PASSWORD@$1/postgres${2:-}"; }

# backends POSTGRES: the processes that serve a checker, a line each.
backends() { sql "$1" "SELECT pid FROM pg_stat_activity WHERE application_name = 'checker'"; }

has_backend() { [[ "$(backends "$1")" ]]; }

# inside POSTGRES SCRIPT: run in its container.
inside() { docker exec "$1" bash -c "$2"; }

# --- checkers ---

checker_options() {
  printf '%s\n' --read-only --cap-drop ALL --security-opt no-new-privileges \
    --label "com.dokku.interservice.checker=$(test_id)"
}

# checker_run NAME URL [docker run's arguments...]: returns when it serves; prints its name.
checker_run() {
  local checker options
  mapfile -t options < <(checker_options)
  checker="$(DATABASE_URL="$2" container_run "$1" "${options[@]}" --env DATABASE_URL "${@:3}" "$CHECKER_IMAGE")"
  await get "$checker" /healthz
  echo "$checker"
}

# checker_command URL ARGUMENTS...: a one-off, as `dokku run` makes it.
checker_command() {
  DATABASE_URL="$1" docker run --rm --network "$STAGE" --env DATABASE_URL "$CHECKER_IMAGE" "${@:2}"
}

get() { curl --silent --show-error --fail --max-time 8 "http://$(container_address "$1"):5000$2"; }

# metric CHECKER NAME: its value.
metric() { get "$1" /metrics | sed -n "s/^$2 //p"; }

# ask CHECKER: GET /ping; sets $answer_status, $answer_body, $answer_ms.
ask() {
  local out
  out="$(curl --silent --show-error --max-time 8 --write-out '%{http_code} %{time_total}' \
    "http://$(container_address "$1"):5000/ping")"
  answer_body="${out%$'\n'*}"
  read -r answer_status answer_ms <<<"${out##*$'\n'}"
  answer_ms="$(awk -v s="$answer_ms" 'BEGIN { printf "%d", s * 1000 }')"
  refute_password "$out"
  if ((answer_ms > DEADLINE_MS + MARGIN_MS)); then
    fail "the answer came after $answer_ms ms: $out"
  fi
}

refute_password() { [[ $1 != *"$PASSWORD"* ]] || fail "the password is in: $1"; }

assert_available() {
  ask "$1"
  assert_equal "$answer_status $answer_body" "200 DB is available"
}

# assert_unavailable CHECKER PATTERN: the pattern begins with the phase.
assert_unavailable() {
  ask "$1"
  assert_equal "$answer_status" 424
  assert_regex "$answer_body" "^DB is not available. Error: $2"
}

becomes_available() {
  ask "$1"
  [[ $answer_status == 200 ]]
}

becomes_unavailable() {
  ask "$1"
  [[ $answer_status == 424 ]]
}

# --- the network ---

need_root() { [[ $(id -u) -eq 0 ]] || skip "only root may enter a container's network"; }

# lose_packets FROM TO: what FROM sends to TO goes to a network card that nobody has, and nothing
# comes back, as from a firewall that drops. mend_packets FROM TO undoes it.
lose_packets() {
  nsenter --net="/proc/$(container_pid "$1")/ns/net" \
    ip neighbour replace "$(container_address "$2")" lladdr 02:00:00:00:de:ad nud permanent dev eth0
}

mend_packets() {
  nsenter --net="/proc/$(container_pid "$1")/ns/net" \
    ip neighbour del "$(container_address "$2")" dev eth0
}

# reject_packets FROM TO: as a router does that knows no way.
reject_packets() {
  nsenter --net="/proc/$(container_pid "$1")/ns/net" ip route add unreachable "$(container_address "$2")"
}
