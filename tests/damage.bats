#!/usr/bin/env bats
# What people, crashes and other programs do to networks, containers and files is mended by sync and
# by Dokku's five-minute tick; what cannot be mended is named, and harms nothing else.
# shellcheck disable=SC2030,SC2031 # each test is a process of its own, with its own output and lines
load helpers

setup_file() {
  dokku_up
  CALLER="$(new_app)" SERVICE="$(new_app)" OTHER="$(new_app)"
  export CALLER SERVICE OTHER
  deploy_app "$SERVICE" provider
  deploy_app "$CALLER" client
  # and one that the damage is not about
  dokku interservice:link "$CALLER" "$OTHER" --port 5000 --no-restart
}

teardown_file() {
  dokku interservice:unlink "$CALLER" "$OTHER" --no-restart
  destroy_apps "$CALLER" "$SERVICE" "$OTHER"
  dokku_down
}

setup() {
  STORE="$(dokku_lib)/data/interservice"
  dokku interservice:link "$CALLER" "$SERVICE" --no-restart
  NETWORK="$(network_of "$SERVICE")"
}

teardown() {
  docker container rm --force "$CALLER-stranger" >/dev/null 2>&1 || true
  if [[ -e "$STORE/links/$CALLER/$SERVICE@web" ]]; then
    dokku interservice:unlink "$CALLER" "$SERVICE" --no-restart
  fi
  assert_nothing_left "$SERVICE"
}

# network_of SERVICE: its newest network.
network_of() {
  docker network ls --filter "label=com.dokku.interservice.service=$1" --format '{{ .Name }}' | sort | head -n 1
}

works() { caller_get "$CALLER" "http://$SERVICE:5000/"; }
fails() { ! works; }

# mended COMMAND...: by it, and then there is nothing to do any more.
mended() {
  run fails
  assert_success
  run -0 "$@"
  run -0 works
  run -0 --separate-stderr dokku interservice:sync --dry-run
  assert_output ""
}

# take_network_away: as somebody does who wants to tidy up.
take_network_away() {
  local id
  for id in $(docker network inspect --format '{{ range $id, $_ := .Containers }}{{ $id }} {{ end }}' "$NETWORK"); do
    docker network disconnect --force "$NETWORK" "$id"
  done
  docker network rm "$NETWORK"
}

@test "sync brings back a network that was removed" {
  take_network_away
  mended dokku interservice:sync
}

@test "the tick brings back a network that was removed" {
  take_network_away
  mended tick
}

@test "sync joins a service that was disconnected" {
  docker network disconnect "$NETWORK" "$SERVICE.web.1"
  mended dokku interservice:sync "$SERVICE"
}

@test "the tick joins a caller that was disconnected" {
  docker network disconnect "$NETWORK" "$CALLER.web.1"
  mended tick
}

@test "a service that lost its name gets it back, without losing its address" {
  local address
  docker network disconnect "$NETWORK" "$SERVICE.web.1"
  docker network connect "$NETWORK" "$SERVICE.web.1"
  address="$(address_on "$NETWORK")"
  mended dokku interservice:sync
  assert_equal "$(address_on "$NETWORK")" "$address"
}

# address_on NETWORK: of the service.
address_on() {
  docker container inspect "$SERVICE.web.1" | jq -r --arg network "$1" '.[0].NetworkSettings.Networks[$network].IPAddress'
}

# with_stranger COMMAND...: a foreign container that answers under our name is sent away.
with_stranger() {
  docker run --detach --name "$CALLER-stranger" --network "$NETWORK" --network-alias "$SERVICE" interservice-test/client:1
  run -0 caller_resolve "$CALLER" "$SERVICE"
  assert_equal "${#lines[@]}" 2

  run -0 "$@"
  run -0 caller_resolve "$CALLER" "$SERVICE"
  assert_equal "${#lines[@]}" 1
  run -0 works
}

@test "sync sends a foreign container away that answers under our name" {
  with_stranger dokku interservice:sync
}

@test "the tick sends a foreign container away that answers under our name" {
  with_stranger tick
}

@test "a variable that was changed by hand is set again by sync" {
  dokku config:set --no-restart "$CALLER" "${SERVICE^^}_URL=http://elsewhere"
  run -0 --separate-stderr dokku interservice:sync --dry-run --format json
  assert_output "[\"set ${SERVICE^^}_URL=http://$SERVICE:5000 for $CALLER\"]"
  run -0 dokku interservice:sync "$CALLER"
  run -0 dokku config:get "$CALLER" "${SERVICE^^}_URL"
  assert_output "http://$SERVICE:5000"
}

# named TEXT: sync names the damaged file once with TEXT, others go on, and what it stood for still works.
named() {
  run -0 --separate-stderr dokku interservice:sync
  # shellcheck disable=SC2154 # bats sets it
  assert_equal "$(grep -c "Skipping a damaged link" <<<"$stderr")" 1
  assert_regex "$stderr" "links/$CALLER/$SERVICE@web \($1"
  run -0 works
  run -0 tick
  run -0 works
  run -0 --separate-stderr dokku interservice:list "$CALLER" --format json
  assert_equal "$(jq -r '.[].service' <<<"$output")" "$OTHER"
  assert_equal "$(network_of "$SERVICE")" "$NETWORK"
}

# damaged_link, whole_again: LINK is the file of the link, to be damaged between the two.
damaged_link() {
  LINK="$STORE/links/$CALLER/$SERVICE@web"
  cp -p "$LINK" "$BATS_TEST_TMPDIR/link"
}

whole_again() {
  cat "$BATS_TEST_TMPDIR/link" >"$LINK"
  run -0 --separate-stderr dokku interservice:sync
  assert_equal "$stderr" ""
  run -0 works
}

@test "a truncated link is named and stands for its network" {
  damaged_link
  head -c 9 "$BATS_TEST_TMPDIR/link" >"$LINK"
  named 'bad (alias|port|attach)'
  : >"$LINK"
  named 'bad (alias|port|attach)'
  whole_again
}

@test "a link full of something else is named, never executed" {
  damaged_link
  # shellcheck disable=SC2016 # that is the point
  printf 'alias=$(touch %s/executed)\nport=1;id\n`touch %s/executed`\n\001\377\n' "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR" >"$LINK"
  chmod a+rwx "$BATS_TEST_TMPDIR"
  named 'unknown line|bad'
  [[ ! -e "$BATS_TEST_TMPDIR/executed" ]]
  whole_again
}

@test "status is not green beside a link that cannot be read, and says how to take it away" {
  damaged_link
  : >"$LINK"
  run -1 --separate-stderr dokku interservice:status
  assert_regex "$stderr" "dokku interservice:unlink $CALLER $SERVICE --process web"
  run -0 dokku interservice:unlink "$CALLER" "$SERVICE" --process web --no-restart
  [[ ! -e "$LINK" ]]
  run -1 caller_resolve "$CALLER" "$SERVICE"
  dokku config:unset --no-restart "$CALLER" "${SERVICE^^}_URL"
}

@test "foreign files in the store are named or left alone" {
  printf 'hello\n' >"$STORE/links/README"
  mkdir "$STORE/links/foreign"
  printf 'hello\n' >"$STORE/links/foreign/-rf"
  run -0 --separate-stderr dokku interservice:sync
  assert_regex "$stderr" "Skipping a damaged link, $STORE/links/foreign/-rf"
  run -0 works
  run -0 dokku interservice:link "$OTHER" "$SERVICE" --no-restart
  run -0 dokku interservice:unlink "$OTHER" "$SERVICE" --no-restart
  [[ -e "$STORE/links/README" && -e "$STORE/links/foreign/-rf" ]]
  rm -r "$STORE/links/README" "$STORE/links/foreign"
}

@test "what the store holds is for nobody else to read" {
  run -0 find "$STORE/links" -type f -perm /077
  assert_output ""
  run -0 stat --format %a "$STORE"
  assert_output 700
}
