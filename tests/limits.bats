#!/usr/bin/env bats
# The limits of web and checker, from their images as they ship: each is set by its variable, and
# whatever strangers do, the others are answered and memory stays bounded.

load web
# shellcheck disable=SC2154 # `get` of web.bash sets them
: "$status" "$body"

setup_file() {
  web_suite_up
  CHECKER_IMAGE="$("$TESTS/../helpers/build-images" checker)"
  export CHECKER_IMAGE
}

teardown_file() { web_suite_down; }

teardown() { web_down; }

# An answer later than this is one that web's callers, and Dokku's checks, no longer wait for.
PATIENCE_MS=2500

# crowd KIND COUNT KB [docker run's options...]: COUNT strangers of that KIND (tests/strangers) come
# to web, and then to checker. Everybody else is answered in time, no more than KB are resident, and
# afterwards hardly more than before.
crowd() {
  local image pid waited refused before most after
  for image in "$WEB_IMAGE" "$CHECKER_IMAGE"; do
    WEB_IMAGE="$image" FAKE_PORT=1 web_up "${@:4}"
    pid="$(web_pid)"
    run -0 "$TESTS/strangers" "$pid" 127.0.0.1 "$WEB_PORT" "$1" "$2"
    echo "# $(basename "${image%:*}"): $output" >&3
    refused="$(figure "refused ")" waited="$(figure "waited ")"
    before="$(figure "memory ")" most="$(figure "before, ")" after="$(figure "most, ")"
    ((refused == 0)) || fail "$refused requests of others were refused"
    ((waited <= PATIENCE_MS)) || fail "another client waited $waited ms"
    ((most <= $3)) || fail "$most kB resident"
    ((after <= before + 2500)) || fail "$after kB are kept, $before before"
    web_down
  done
}

# figure BEHIND: the number in $output behind these words.
figure() { sed -E "s/.*$1([0-9]+).*/\1/" <<<"$output"; }

# answer_to OCTETS: the status that a connection of their own gets.
answer_to() {
  local fd line=""
  exec {fd}<>"/dev/tcp/127.0.0.1/$WEB_PORT"
  printf '%b' "$1" >&"$fd"
  read -r -t 10 line <&"$fd"
  exec {fd}>&-
  echo "${line:9:3}"
}

# times COUNT TEXT
times() { printf "%0.s$2" $(seq "$1"); }

@test "what a request may hold is said by SERVER_LINE_BYTES, _HEAD_BYTES, _FIELDS and _BODY_BYTES" {
  local line="GET /healthz HTTP/1.1\r\n" end="Host: a\r\n\r\n"
  FAKE_PORT=1 web_up --env SERVER_LINE_BYTES=200 --env SERVER_HEAD_BYTES=600 --env SERVER_FIELDS=9 --env SERVER_BODY_BYTES=50

  # "GET /healthz?" and " HTTP/1.1\r\n" have 24 octets, $line and $end 34, "X: \r\n" has 5.
  assert_equal "$(answer_to "GET /healthz?$(times 176 x) HTTP/1.1\r\n$end")" 200
  assert_equal "$(answer_to "GET /healthz?$(times 177 x) HTTP/1.1\r\n$end")" 414
  assert_equal "$(answer_to "${line}X: $(times 561 x)\r\n$end")" 200
  assert_equal "$(answer_to "${line}X: $(times 562 x)\r\n$end")" 431
  assert_equal "$(answer_to "$line$(times 8 'X: x\\r\\n')$end")" 200
  assert_equal "$(answer_to "$line$(times 9 'X: x\\r\\n')$end")" 431
  assert_equal "$(answer_to "${line}Content-Length: 50\r\n$end$(times 50 x)")" 200
  assert_equal "$(answer_to "${line}Content-Length: 51\r\n$end")" 413
}

@test "where it listens is said by SERVER_ADDRESS and PORT" {
  FAKE_PORT=1 web_up --env SERVER_ADDRESS=127.0.0.2
  run -0 curl --silent --fail --max-time 5 "http://127.0.0.2:$WEB_PORT/healthz"
  assert_output ok
  run -7 curl --silent --max-time 5 "http://127.0.0.1:$WEB_PORT/healthz"
  run -2 docker run --rm "$(labelled)" --env SERVER_ADDRESS=localhost "$WEB_IMAGE"
  assert_output "web: SERVER_ADDRESS must be an IP address"
}

@test "how long a connection may be idle, linger and live is said by SERVER_IDLE_TIMEOUT, _LINGER_TIMEOUT and _LIFETIME" {
  local fd line
  FAKE_PORT=1 web_up --env SERVER_IDLE_TIMEOUT=1s --env SERVER_LINGER_TIMEOUT=1s --env SERVER_LIFETIME=2s

  exec {fd}<>"/dev/tcp/127.0.0.1/$WEB_PORT" # says nothing, and is told nothing
  run -1 read -r -t 10 line <&"$fd"         # 1: the end; 142: nothing in time
  exec {fd}>&-

  exec {fd}<>"/dev/tcp/127.0.0.1/$WEB_PORT" # is told to go, and stays
  printf 'BAD\r\n\r\n' >&"$fd"
  read -r -t 10 line <&"$fd"
  assert_equal "${line:9:3}" 400
  await 10 only_one_is_open
  exec {fd}>&-

  # asks again and again, until it is told to close
  run -0 python3 -c '
import http.client, sys, time
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=5)
began = time.monotonic()
while time.monotonic() - began < 20:
    c.request("GET", "/healthz")
    answer = c.getresponse()
    answer.read()
    if answer.getheader("Connection") == "close":
        sys.exit(time.monotonic() - began < 1.9)
    time.sleep(0.1)
sys.exit(2)' "$WEB_PORT"
}

# only_one_is_open: the connection that asks.
only_one_is_open() {
  get /metrics
  grep -q '^[a-z]*_http_connections_open 1$' <<<"$body"
}

@test "after SIGTERM nobody is waited for longer than SERVER_DRAIN_TIMEOUT" {
  local fd began
  FAKE_PORT=1 web_up --env SERVER_DRAIN_TIMEOUT=500ms
  exec {fd}<>"/dev/tcp/127.0.0.1/$WEB_PORT"
  printf 'GET /healthz HTTP/1.1\r\n' >&"$fd"
  get /healthz
  began="$(date +%s%3N)"
  docker stop --time 20 "$WEB" >/dev/null
  ((began + 6000 > $(date +%s%3N))) || fail "it was waited for" # 8 s, if nobody says otherwise
  exec {fd}>&-
  assert_equal "$(docker inspect --format '{{.State.ExitCode}}' "$WEB")" 0
}

@test "slow heads: 408 after SERVER_HEAD_TIMEOUT" {
  crowd slow-heads 200 12000 --env SERVER_HEAD_TIMEOUT=1s
}

@test "slow content: 408 after SERVER_BODY_TIMEOUT" {
  crowd slow-bodies 200 12000 --env SERVER_BODY_TIMEOUT=1s
}

@test "endless heads: 431" {
  crowd endless-heads 200 12000
}

@test "idle connections beyond SERVER_CONNECTIONS make room, the oldest first" {
  crowd idle 1500 8000
  crowd idle 300 8000 --env SERVER_CONNECTIONS=20
}

@test "half heads on nearly every connection: their memory is given back when they have left" {
  crowd half-heads 900 40000
}

@test "peers that close their side are answered, and closed" {
  crowd half-closed 200 8000
}

@test "peers that ask and leave, again and again, cost nothing" {
  crowd leaving 100 8000
}

@test "slow readers: closed after SERVER_WRITE_TIMEOUT" {
  crowd slow-readers 10 12000 --env SERVER_WRITE_TIMEOUT=1s
}

@test "where descriptors are few, connections are fewer" {
  crowd idle 200 8000 --ulimit nofile=64:64
}

@test "when every descriptor is in use it waits for one, at rest" {
  local files=10 ticks
  until listens_with "$files"; do ((++files < 30)); done
  ((++files)) # these few leave none for a connection
  FAKE_PORT=1 web_up --ulimit "nofile=$files:$files"
  run "$TESTS/strangers" "$(web_pid)" 127.0.0.1 "$WEB_PORT" idle 100
  ticks="$(awk '{ print $14 + $15 }' "/proc/$(web_pid)/stat")"
  echo "# web with $files descriptors, $((ticks * 1000 / $(getconf CLK_TCK))) ms of processor time: $output" >&3
  ((ticks < $(getconf CLK_TCK))) || fail "it was busy with nothing"
  await 10 get /healthz
  assert_equal "$status $body" "200 ok"
}

web_pid() { docker inspect --format '{{.State.Pid}}' "$WEB"; }

# listens_with FILES: does it begin to listen with so few descriptors? Ends it at once.
listens_with() {
  local container
  container="$(docker run --detach "$(labelled)" --env PORT=0 --ulimit "nofile=$1:$1" "$WEB_IMAGE")"
  await 20 logs "$container" "listens on port|cannot"
  logs "$container" "listens on port" || { docker rm --force "$container" >/dev/null && return 1; }
  docker rm --force "$container" >/dev/null
}

logs() { docker logs "$1" 2>&1 | grep -Eq "$2"; }
