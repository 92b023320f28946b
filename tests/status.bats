#!/usr/bin/env bats
# interservice:status: each layer's fault is made for real, has to be named, and the command that
# status gives has to mend it.

load helpers

setup_file() {
  dokku_up
  CALLER="$(unique_name)" SERVICE="$(unique_name)" URL_NAME=SERVICE_URL
  export CALLER SERVICE URL_NAME
  apps_up
}

teardown_file() {
  apps_down
  dokku_down
}

# Deploys take their time, so all tests share two apps and a link, and leave them as they were.
apps_up() {
  local app
  for app in "$CALLER" "$SERVICE"; do
    dokku apps:create "$app"
    dokku checks:set "$app" wait-to-retire 5
  done
  dokku ps:scale --skip-deploy "$SERVICE" web=2
  deploy_app "$SERVICE" provider
  relink
  deploy_app "$CALLER" client
}

# relink FLAG...: the link made anew.
relink() {
  dokku interservice:unlink "$CALLER" "$SERVICE" --no-restart 2>/dev/null || true
  dokku interservice:link "$CALLER" "$SERVICE" --env "$URL_NAME" --path /health "$@"
}

apps_down() {
  destroy_apps "$CALLER" "$SERVICE"
}

setup() {
  service="$SERVICE" # the one that is asked about
}

teardown() {
  remove_strangers
  # What a failed test left behind is not the next one's fault.
  if [[ -z "$BATS_TEST_COMPLETED" ]]; then
    if [[ "$service" != "$SERVICE" ]]; then destroy_apps "$service" >/dev/null 2>&1; fi
    { apps_down && apps_up; } >/dev/null 2>&1
  fi
}

# --- asking status

# link_json FILTER: of the link between the two, in what `run` got.
link_json() {
  jq -r --arg caller "$CALLER" --arg service "$service" \
    ".links[] | select(.caller == \$caller and .service == \$service) | $1" <<<"$output"
}

# ask: what status says of the link: "<exit code>: <layer> <cause>".
ask() {
  run --separate-stderr dokku interservice:status "$CALLER" --format json
  # shellcheck disable=SC2154 # bats sets stderr
  said="$status: $(link_json '"\(.layer) \(.cause)"')${stderr:+ ($stderr)}"
}

assert_well() {
  ask
  assert_equal "$said" "0: null null"
}

# assert_broken LAYER CAUSE: status says so.
assert_broken() {
  ask
  [[ "$said" == "1: $1 "*"$2"* ]] || fail "not \"1: $1 ... $2\" but \"$said\""
}

# mend: do as status says.
mend() {
  local command
  command="$(link_json .mend)"
  echo "# $command" >&3
  bash -ec "$command" </dev/null
}

# --- a service whose process is not as it should be: an app of its own

# deploy_process APP COMMAND [PROGRAM]: from an image with that Procfile, and a program.py.
deploy_process() {
  local tag="interservice-test/$1:process"
  docker build --quiet --tag "$tag" - >/dev/null <<DOCKERFILE
FROM interservice-test/provider:1
USER root
RUN echo 'web: $2' >Procfile && echo '$(base64 --wrap 0 <<<"$3")' | base64 -d >program.py && rm app.json
USER nobody
DOCKERFILE
  deploy_app "$1" "$tag"
}

# --- strangers

# start_stranger ARG...: a container of nobody's, from the image client; prints its id.
start_stranger() {
  docker run --detach --rm --label "com.dokku.interservice.test=$CALLER" "$@"
}

remove_strangers() {
  docker container ls --all --quiet --filter "label=com.dokku.interservice.test=$CALLER" \
    | xargs --no-run-if-empty docker container rm --force >/dev/null
}

# start_dns ADDRESS: a name server on the default bridge that gives ADDRESS for every name that has
# a dot if WITH_DOT is set, else for every name; prints its own address.
start_dns() {
  local id program
  program='
import socket, sys
answer, dot = socket.inet_aton(sys.argv[1]), sys.argv[2] == "dot"
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 53))
print("ready", flush=True)
while True:
    query, peer = server.recvfrom(512)
    end = query.index(0, 12)
    labels, kind = query[12:end].count(b"\0"), query[end + 1:end + 3]
    has_dot = 12 + 1 + query[12] < end
    known = has_dot or not dot
    count = 1 if known and kind == b"\0\1" else 0
    head = query[:2] + (b"\x81\x80" if known else b"\x81\x83") + b"\0\1" + bytes([0, count]) + b"\0\0\0\0"
    reply = head + query[12:end + 5]
    if count:
        reply += b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + answer
    server.sendto(reply, peer)
'
  id="$(start_stranger --user root interservice-test/client:1 python3 -c "$program" "$1" "${2:-any}")"
  wait_until 10 docker_log_has "$id" ready
  container_address "$id"
}

docker_log_has() { docker container logs "$1" 2>&1 | grep -q "$2"; }

container_address() { docker container inspect --format '{{ .NetworkSettings.Networks.bridge.IPAddress }}' "$1"; }

# take_address ADDRESS: strangers until one of them has it.
take_address() {
  local _
  for _ in {1..50}; do
    if [[ "$(container_address "$(start_stranger interservice-test/client:1 sleep 600)")" == "$1" ]]; then return 0; fi
  done
  fail "nobody got $1"
}

# network_of: the network on which the service is called.
network_of() { link_json .network; }

# --- all is well

@test "a link that works is ok, and status exits 0" {
  assert_well
  assert_equal "$(link_json .layer)" null
  assert_equal "$(link_json '.replicas | map(select(.ok)) | length')" 2
  run dokku interservice:status
  assert_line --regexp "^$CALLER +$SERVICE .* ok$"
}

@test "the table fits a terminal of 100 columns" {
  run -0 --separate-stderr dokku interservice:status "$CALLER"
  assert_line --regexp "^$CALLER +$SERVICE +$SERVICE +1/1 +[0-9.]+ \+1 +2/2 +[0-9.]+ ms +ok$"
  local line
  for line in "${lines[@]}"; do
    ((${#line} <= 100)) || fail "${#line} columns: $line"
  done
}

# --- each layer

@test "running: a caller scaled to 0" {
  dokku ps:scale "$CALLER" web=0
  assert_broken running "$CALLER is scaled to web=0"
  mend
  assert_well
}

@test "running: a stopped service" {
  dokku ps:stop "$SERVICE"
  assert_broken running "is stopped"
  mend
  assert_well
}

@test "running: one frozen replica" {
  docker container pause "$SERVICE.web.2"
  assert_broken running "$SERVICE.web.2 is frozen"
  mend
  assert_well
}

@test "running: an app that was never deployed" {
  local app
  app="$(new_app)"
  dokku interservice:link "$CALLER" "$app" --no-restart
  run -1 --separate-stderr dokku interservice:status "$app" --format json
  assert_equal "$(jq -r '.links[0] | .layer + ": " + .cause' <<<"$output")" "running: $app was never deployed"
  [[ "$(jq -r '.links[0].mend' <<<"$output")" == "git push dokku@"*":$app" ]]
  dokku interservice:unlink "$CALLER" "$app" --no-restart
  destroy_apps "$app"
}

@test "running: a service that was moved to another scheduler" {
  dokku scheduler:set "$SERVICE" selected k3s
  assert_well
  docker container stop --time 1 "$SERVICE.web.2"
  assert_broken running "$SERVICE was moved to the k3s scheduler"
  mend
  assert_well
}

@test "network: the caller was taken out" {
  assert_well
  docker network disconnect "$(network_of)" "$CALLER.web.1"
  assert_broken network "$CALLER.web.1 is not on the network"
  mend
  assert_well
}

@test "network: a replica was taken out" {
  assert_well
  docker network disconnect "$(network_of)" "$SERVICE.web.2"
  assert_broken network "$SERVICE.web.2 is not on its network"
  mend
  assert_well
}

@test "resolves: the service is there without its name" {
  local network replica
  assert_well
  network="$(network_of)"
  for replica in 1 2; do
    docker network disconnect "$network" "$SERVICE.web.$replica"
    docker network connect "$network" "$SERVICE.web.$replica"
  done
  assert_broken resolves "without the name $SERVICE"
  mend
  assert_well
}

@test "address: public DNS knows a name that the service lacks" {
  local network replica stranger
  stranger="$(container_address "$(start_stranger interservice-test/provider:1)")"
  dokku docker-options:add "$CALLER" deploy "--dns $(start_dns "$stranger")"
  dokku ps:restart "$CALLER"
  assert_well
  network="$(network_of)"
  for replica in 1 2; do
    docker network disconnect "$network" "$SERVICE.web.$replica"
    docker network connect "$network" "$SERVICE.web.$replica"
  done
  assert_broken address "resolves to $stranger"
  mend
  assert_well
  dokku docker-options:clear "$CALLER" deploy # the next restart is soon enough
}

@test "address: the caller does not ask Docker's resolver" {
  local stranger dns
  stranger="$(container_address "$(start_stranger interservice-test/provider:1)")"
  dns="$(start_dns "$stranger")"
  docker container exec --user root "$CALLER.web.1" sh -c "echo nameserver $dns >/etc/resolv.conf"
  assert_broken address "asks $dns for names"
  mend
  assert_well
}

@test "address: a search domain comes first" {
  local stranger dns option
  stranger="$(container_address "$(start_stranger interservice-test/provider:1)")"
  dns="$(start_dns "$stranger" dot)"
  for option in "--dns $dns" "--dns-search corp.test" "--dns-opt ndots:1"; do
    dokku docker-options:add "$CALLER" deploy "$option"
  done
  dokku ps:restart "$CALLER"
  assert_broken address "$SERVICE.corp.test"
  mend
  assert_well
  dokku docker-options:clear "$CALLER" deploy # the next restart is soon enough
}

@test "address: /etc/hosts was written by Docker's legacy --link" {
  local stranger
  stranger="$(start_stranger interservice-test/provider:1)"
  dokku docker-options:add "$CALLER" build,deploy,run "--link $stranger:$SERVICE"
  dokku ps:restart "$CALLER"
  assert_broken address "legacy --link wrote it"
  mend
  assert_well
}

@test "address: /etc/hosts was written by --add-host" {
  dokku docker-options:add "$CALLER" deploy "--add-host $SERVICE:192.0.2.1"
  dokku ps:restart "$CALLER"
  assert_broken address "--add-host $SERVICE:192.0.2.1 wrote it"
  mend
  assert_well
}

@test "address: /etc/hosts was written from inside" {
  docker container exec --user root "$CALLER.web.1" sh -c "echo 192.0.2.1 $SERVICE >>/etc/hosts"
  assert_broken address "/etc/hosts of $CALLER.web.1 says 192.0.2.1"
  mend
  assert_well
}

# in_network_of CONTAINER COMMAND...: of this machine, run in the network namespace of the container.
in_network_of() {
  docker run --rm --cap-add NET_ADMIN --user root --network "container:$1" --volume /:/machine interservice-test/client:1 \
    chroot /machine "${@:2}"
}

@test "connects: a firewall drops the packets" {
  in_network_of "$SERVICE.web.2" /usr/sbin/iptables --append INPUT --protocol tcp --dport 5000 --jump DROP
  assert_broken connects "$SERVICE.web.2"
  [[ "$said" == *"firewall"* ]] || fail "$said"
  mend
  assert_well
}

@test "probe: its image was replaced" {
  local image
  image="$(docker image ls --filter "reference=interservice/probe:*-$(digits)" --format '{{ .Repository }}:{{ .Tag }}')"
  docker image tag interservice-test/client:1 "$image"
  assert_broken probe "the probe could not look from inside $CALLER.web.1"
  mend
  assert_well
}

@test "connects: the link has another port than the service" {
  relink --port 5999 --no-restart
  assert_broken connects "told to listen on 5000; the link says 5999"
  mend
  assert_well
  relink --no-restart
}

@test "answers: the service takes connections and is silent" {
  docker container exec --user root "$SERVICE.web.2" sh -c 'kill -STOP -1'
  assert_broken answers "$SERVICE.web.2"
  mend
  assert_well
}

@test "answers: another protocol is on that port" {
  service="$(new_app)"
  dokku checks:disable "$service"
  deploy_process "$service" 'python3 program.py' '
import socket
server = socket.create_server(("", 5000))
while True:
    call = server.accept()[0]
    print("a mail server was asked", flush=True)
    call.send(b"220 mail ESMTP\r\n")
    call.close()
'
  dokku interservice:link "$CALLER" "$service" --no-restart
  assert_broken answers "does not answer as http: gives an answer that is not valid HTTP"
  run mend
  assert_output --partial "a mail server was asked"
  run -1 dokku interservice:status "$CALLER" --quiet
  assert_line "       look into it with: dokku logs $service"
  dokku interservice:unlink "$CALLER" "$service" --no-restart
  destroy_apps "$service"
}

@test "app: somebody else answers to the name" {
  local stranger
  assert_well
  stranger="$(start_stranger --network "$(network_of)" --network-alias "$SERVICE" interservice-test/provider:1)"
  wait_until 10 docker_log_has "$stranger" listening
  assert_broken app "none of $SERVICE's containers"
  mend
  assert_well
}

@test "variable: the caller was started before the link was made" {
  dokku interservice:unlink "$CALLER" "$SERVICE"
  relink --no-restart
  assert_broken variable "was started before $URL_NAME was set"
  mend
  assert_well
}

@test "variable: somebody changed it" {
  dokku config:set "$CALLER" "$URL_NAME=http://elsewhere:5000/"
  assert_broken variable "$URL_NAME of $CALLER was changed"
  mend
  assert_well
}

# --- deploys

# is_new REPLICA ID: Dokku has put another container in its place.
is_new() { [[ "$(app_container "$SERVICE" web "$1")" != "$2" ]]; }

# hold_lock, release_lock: nothing of ours can be done in between.
hold_lock() {
  local lock
  lock="$(dokku_lib)/data/interservice/lock"
  in_background "$BATS_TEST_TMPDIR/holder" timeout 120 flock "$lock" sh -c "until test -e '$BATS_TEST_TMPDIR/release'; do sleep 0.1; done"
  wait_until 10 bash -c "! flock --nonblock '$lock' true"
}

release_lock() {
  touch "$BATS_TEST_TMPDIR/release"
  wait_until 10 test -e "$BATS_TEST_TMPDIR/holder"
}

@test "while a deploy is under way the link is ok, by the containers that serve" {
  local old
  assert_well
  old="$(app_container "$SERVICE" web 2)"
  in_background "$BATS_TEST_TMPDIR/rebuild" dokku ps:rebuild "$SERVICE"
  wait_until 60 eval "docker ps --format '{{ .Names }}' | grep '^$SERVICE\.web\.2\.upcoming'"
  hold_lock # before the new ones can have the name
  wait_until 60 is_new 2 "$old"
  assert_well
  assert_equal "$(link_json '.replicas | map(select(.ok)) | length')" 2

  release_lock
  until [[ -e "$BATS_TEST_TMPDIR/rebuild" ]]; do assert_well; done
  assert_well
  [[ "$(link_json '.replicas[].container' | sort | xargs)" == "$SERVICE.web.1 $SERVICE.web.2" ]]
}

# --- faults of the service itself

@test "connects: the service listens on 127.0.0.1 only" {
  service="$(new_app)"
  dokku checks:disable "$service"
  deploy_process "$service" 'python3 -m http.server --bind 127.0.0.1 5000'
  dokku interservice:link "$CALLER" "$service" --no-restart
  wait_until 10 docker container exec "$service.web.1" python3 -c 'import socket; socket.create_connection(("127.0.0.1", 5000))'
  assert_broken connects "listens on 127.0.0.1 only"
  mend # shows what it says
  dokku interservice:unlink "$CALLER" "$service" --no-restart
  destroy_apps "$service"
}

@test "connects: the service listens on 127.0.0.1 because its variable HOST says so" {
  service="$(new_app)"
  dokku checks:disable "$service"
  dokku config:set --no-restart "$service" HOST=127.0.0.1
  deploy_process "$service" 'python3 program.py' '
import http.server, os
http.server.test(http.server.SimpleHTTPRequestHandler, port=5000, bind=os.environ["HOST"])
'
  dokku interservice:link "$CALLER" "$service" --no-restart
  wait_until 10 docker container exec "$service.web.1" python3 -c 'import socket; socket.create_connection(("127.0.0.1", 5000))'
  assert_broken connects "its variable HOST says so"
  mend
  wait_until 10 listens_for_others
  dokku interservice:unlink "$CALLER" "$service" --no-restart
  destroy_apps "$service"
}

# The caller was not started with the link's variable, which is told of once all else is well.
listens_for_others() {
  ask
  [[ "$said" == "1: variable "* ]]
}

@test "port: the service moved to another port while a command of ours held the lock" {
  service="$(new_app)"
  deploy_process "$service" 'sh -c "PORT=5000 provider & exec provider"'
  dokku interservice:link "$CALLER" "$service" --no-restart
  dokku ports:set "$service" http:80:6000

  hold_lock
  INTERSERVICE_LOCK_SECONDS=1 dokku ps:rebuild "$service"
  release_lock

  # the old container serves as long as it runs
  wait_until 20 eval "[[ \$(docker ps --quiet --filter label=com.dokku.app-name=$service | wc -l) == 1 ]]"
  assert_broken network "is not on its network"
  mend
  assert_broken port "is on port 6000 now; the link says 5000"
  mend
  assert_broken variable "was started before"
  dokku interservice:unlink "$CALLER" "$service" --no-restart
  destroy_apps "$service"
}

# --- datastores

@test "datastores: measured by their own protocol, and started again as status says" {
  local database
  database="$(new_datastore postgres)"
  dokku postgres:link "$database" "$SERVICE" --no-restart
  run -0 --separate-stderr dokku interservice:status "$SERVICE" --format json
  jq -e --arg service "postgres:$database" '.links[] | select(.service == $service)
    | .state == "ok" and .protocol == "postgres" and .replicas[0].phase == "answer"' <<<"$output"

  dokku postgres:stop "$database"
  run -1 --separate-stderr dokku interservice:status "$SERVICE" --format json
  assert_equal "$(jq -r '.links[] | select(.layer != null) | "\(.layer): \(.cause)"' <<<"$output")" "running: postgres:$database is stopped"
  bash -ec "$(jq -r '.links[] | select(.layer != null).mend' <<<"$output")" </dev/null
  wait_until 20 dokku interservice:status "postgres:$database"

  dokku postgres:unlink "$database" "$SERVICE" --no-restart
  destroy_datastores postgres "$database"
}

@test "datastores: Docker's legacy --link knows the address of yesterday" {
  local database address
  database="$(new_datastore redis)"
  dokku redis:link "$database" "$CALLER"
  service="redis:$database"
  assert_well
  address="$(container_address "dokku.redis.$database")"
  dokku redis:stop "$database"
  take_address "$address"
  dokku redis:start "$database"
  assert_broken address "legacy --link wrote it"
  mend
  assert_well
  dokku interservice:unlink "$CALLER" "redis:$database" --no-restart
  dokku redis:unlink "$database" "$CALLER"
  destroy_datastores redis "$database"
}

# --- what status can show

@test "--spread: every replica has its share of the requests" {
  run -0 --separate-stderr dokku interservice:status "$CALLER" --spread 40 --format json
  assert_equal "$(link_json '[.replicas[].share] | add')" 40
  assert_equal "$(link_json '[.replicas[].share] | min > 0')" true
  assert_equal "$(link_json '"\(.requests) \(.unanswered)"')" "40 0"
  run -0 --separate-stderr dokku interservice:status "$CALLER" --spread 40
  assert_line --regexp "^  [0-9.]+ +$SERVICE\.web\.2 +connect [0-9.]+ ms +first octet [0-9.]+ ms +[0-9]+ \([0-9]+ %\)$"
  assert_line "  40 requests, 0 unanswered"
}

@test "--spread: requests without an answer are told of, and break the link" {
  service="$(new_app)"
  dokku checks:disable "$service"
  deploy_process "$service" 'python3 program.py' '
import itertools, socket
server = socket.create_server(("", 5000))
for number in itertools.count():
    call = server.accept()[0]
    call.recv(999)
    if number < 3:  # status asks once, then for its requests
        call.send(b"HTTP/1.1 200 OK\r\n\r\n")
    call.close()
'
  dokku interservice:link "$CALLER" "$service" --no-restart
  run -1 --separate-stderr dokku interservice:status "$service" --spread 10 --format json
  assert_equal "$(link_json '"\(.layer): \(.requests) \(.unanswered) \(.replicas[0] | "\(.ok) \(.share)")"')" "answers: 10 8 true 2"
  # Now it hangs up at once, which is what is told of first.
  run -1 --separate-stderr dokku interservice:status "$service" --spread 10
  assert_line "  10 requests, 10 unanswered"
  dokku interservice:unlink "$CALLER" "$service" --no-restart
  destroy_apps "$service"
}

@test "--spread: a frozen replica is the one that is named" {
  docker container exec --user root "$SERVICE.web.1" sh -c 'kill -STOP -1'
  run -1 --separate-stderr dokku interservice:status "$CALLER" --spread 10 --format json
  assert_equal "$(link_json '.layer, (.replicas | map(.ok) | tostring), .unanswered > 0')" $'answers\n[false,true]\ntrue'
  docker container exec --user root "$SERVICE.web.1" sh -c 'kill -CONT -1'
  assert_well
}

@test "an app's links are shown replica by replica" {
  run -0 --separate-stderr dokku interservice:status "$CALLER"
  local replica
  for replica in 1 2; do
    assert_line --regexp "^  [0-9.]+ +$SERVICE\.web\.$replica +connect [0-9.]+ ms +first octet [0-9.]+ ms$"
  done
  run dokku interservice:status
  refute_output --partial "first octet"
}

@test "--quiet: nothing when all is well, and what is broken otherwise" {
  run -0 dokku interservice:status "$CALLER" --quiet
  assert_output ""
  assert_well
  docker network disconnect "$(network_of)" "$CALLER.web.1"
  run -1 dokku interservice:status "$CALLER" --quiet
  assert_line " !     $CALLER -> $SERVICE: network"
  assert_line "       mend it with: dokku interservice:sync $CALLER"
  dokku interservice:sync "$CALLER"
}

@test "--format json: the schema that docs/status.md describes" {
  run -0 --separate-stderr dokku interservice:status "$CALLER" --format json
  assert_equal "$(jq -r .schema <<<"$output")" interservice.status/1
  local key
  for key in $(jq -r 'keys[], (.links[0] | keys[], (.resolve | keys[]), (.replicas[0] | keys[]), (.callers[0] | keys[]))' <<<"$output"); do
    grep -Fq "\`$key\`" "$TESTS/../docs/status.md" || fail "docs/status.md does not say what $key is"
  done
}

@test "--format prometheus: what node_exporter's textfile collector reads" {
  run -0 --separate-stderr dokku interservice:status "$CALLER" --format prometheus
  assert_line "interservice_link_up{caller=\"$CALLER\",service=\"$SERVICE\",process=\"web\",alias=\"$SERVICE\"} 1"
  assert_line "interservice_link_replicas_answering{caller=\"$CALLER\",service=\"$SERVICE\",process=\"web\",alias=\"$SERVICE\"} 2"
  "$TESTS/promtool" check metrics <<<"$output"
}

@test "colour is for people at a terminal who want it" {
  local escape=$'\e'
  run -0 dokku interservice:status "$CALLER"
  refute_output --partial "$escape"
  run -0 script -qec "TERM=xterm dokku interservice:status $CALLER" /dev/null
  assert_output --partial "${escape}[32mok"
  run -0 script -qec "TERM=xterm NO_COLOR=1 dokku interservice:status $CALLER" /dev/null
  refute_output --partial "$escape"
}

@test "--watch: measures again and redraws in place until it is interrupted" {
  local screen="$BATS_TEST_TMPDIR/screen"
  in_background "$screen.end" timeout --signal INT 60 \
    script -qefc "TERM=xterm dokku interservice:status $CALLER --watch --interval 0.2" "$screen"
  wait_until 30 bash -c "(( \$(grep -c $'\e\\[H' '$screen') >= 3 ))"
  pkill --full "interservice:status $CALLER --watch"
  wait_until 10 test -e "$screen.end"
  run -0 grep -c ok "$screen"
}

@test "--watch: a small terminal shows what is broken first, and says how much more there is" {
  local screen="$BATS_TEST_TMPDIR/screen"
  assert_well
  docker network disconnect "$(network_of)" "$CALLER.web.1"
  in_background "$screen.end" timeout --signal INT 60 \
    script -qefc "stty rows 7 cols 100; TERM=xterm dokku interservice:status $CALLER --watch --interval 0.2" "$screen"
  wait_until 30 bash -c "(( \$(grep -c $'\e\\[H' '$screen') >= 2 ))"
  pkill --full "interservice:status $CALLER --watch"
  wait_until 10 test -e "$screen.end"
  dokku interservice:sync "$CALLER"
  # of what a whole frame shows: no line more than the terminal has, and none that wraps
  run -0 python3 -c '
import re, sys
frame = open(sys.argv[1], newline="").read().split("\x1b[H")[1].split("\x1b[J")[0]
print(re.sub("\x1b\\[[0-9]*[mK]|\r", "", frame), end="")
' "$screen"
  assert_line --index 2 " !     $CALLER -> $SERVICE: network"
  assert_line --regexp "^       [0-9]+ more lines, which this terminal has no room for$"
  ((${#lines[@]} <= 6)) || fail "${#lines[@]} lines"
}

@test "the example in the help replaces the file that Prometheus reads at once" {
  local example file="$BATS_TEST_TMPDIR/interservice.prom"
  example="$(sed -n 's/^#> \(cd .*prometheus.*\)/\1/p' "$TESTS/../subcommands/status")"
  echo before >"$file"
  exec {before}<"$file" # whoever reads it now still sees all of it afterwards
  bash -c "${example//\/var\/lib\/node_exporter/$BATS_TEST_TMPDIR}"
  assert_equal "$(cat <&"$before")" before
  exec {before}<&-
  "$TESTS/promtool" check metrics <"$file"
}

@test "--audit: an app without a web process is tried, and what was not measured is said not to be" {
  local other
  other="$(new_app)"
  dokku ps:scale --skip-deploy "$other" web=0 worker=1
  deploy_app "$other" provider
  assert_equal "$(audited "$CALLER" "$other")" false
  dokku ps:stop "$other"
  assert_equal "$(audited "$CALLER" "$other")" null
  run -0 --separate-stderr dokku interservice:status --audit "$other"
  assert_line --regexp "^ *[0-9]+ $other .*[?]"
  assert_line --partial "? not measured"
  destroy_apps "$other"
}

# audited CALLER SERVICE: is it reachable? Nothing if the audit of the service does not know the pair.
audited() {
  dokku interservice:status --audit "$2" --format json \
    | jq --arg from "$1" --arg to "$2" '.pairs[] | select(.caller == $from and .service == $to).reachable'
}

@test "--audit: who can reach whom without a link" {
  local other
  other="$(new_app)"
  deploy_app "$other" client
  run -0 --separate-stderr dokku interservice:status --audit "$other" --format json
  jq -e --arg from "$other" --arg to "$SERVICE" '.schema == "interservice.audit/1" and (.pairs[]
    | select(.caller == $from and .service == $to) | .declared == false and .reachable and .over == ["bridge"])' <<<"$output"
  run -0 --separate-stderr dokku interservice:status --audit "$CALLER"
  assert_line --partial "u reachable without a link"
  assert_line --regexp "^ *[0-9]+ $CALLER .*L"
  destroy_apps "$other"
}

@test "exit codes: 2 for a wrong command line, 20 for an app that is not there" {
  run -2 dokku interservice:status --spread 0
  run -2 dokku interservice:status --interval soon
  run -2 dokku interservice:status --format xml
  run -2 dokku interservice:status --audit --watch
  run -2 dokku interservice:status --audit --format prometheus
  run -2 dokku interservice:status --nonsense
  run -20 dokku interservice:status "$CALLER-not"
}
