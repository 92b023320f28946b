#!/usr/bin/env bats
# --attach create: the provider has its name before it starts, and nginx still finds it.
load helpers

setup() {
  CALLER="$(new_app)" SERVICE="$(new_app)"
  deploy_app "$SERVICE" provider
  deploy_app "$CALLER" client
}

teardown() {
  destroy_apps "$CALLER" "$SERVICE"
}

networks_of_ours() {
  docker network ls --format '{{ .Name }}' --filter "name=^interservice\.$SERVICE\."
}

# options: for the service's web containers.
options() { dokku docker-options:list "$SERVICE" --process web --phase deploy; }

@test "a container is created with the alias, nginx reaches it, and the price is said" {
  run -0 --separate-stderr dokku interservice:link "$CALLER" "$SERVICE" --attach create --no-restart
  # shellcheck disable=SC2154 # bats sets it
  [[ "$stderr" == *"before its checks have passed"* ]]
  run -0 dokku ps:rebuild "$SERVICE"

  run -0 docker container inspect --format '{{ .HostConfig.NetworkMode }}' "$SERVICE.web.1"
  assert_output "$(networks_of_ours)"
  run -0 caller_get "$CALLER" "http://$SERVICE:5000/"
  run -0 http_get "$SERVICE"
  assert_output --partial "200 $(caller_get "$CALLER" "http://$SERVICE:5000/")"
}

@test "unlink takes options and property out at once, and the network with the last container on it" {
  local before
  before="$(snapshot "$SERVICE" | grep -v -e "^bridge:" -e "^interservice")"
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --attach create --no-restart
  run -0 options
  assert_output "--network-alias $SERVICE"$'\n'"--network-alias $SERVICE.internal"
  run -0 dokku ps:rebuild "$SERVICE"
  run -0 dokku interservice:unlink "$CALLER" "$SERVICE" --no-restart

  run -0 dokku network:report "$SERVICE" --network-initial-network
  assert_output ""
  run -0 options
  assert_output ""
  run -0 http_get "$SERVICE"
  assert_output --partial 200

  run -0 dokku ps:rebuild "$SERVICE"
  wait_until 30 eval "[[ \$(docker ps --quiet --filter label=com.dokku.app-name=$SERVICE | wc -l) == 1 ]]"
  run -0 tick
  assert_equal "$(networks_of_ours)" ""
  assert_equal "$(snapshot "$SERVICE" | grep -v -e "^bridge:" -e "^interservice")" "$before"
}

@test "an initial-network of the operator is not taken over" {
  docker network create "$SERVICE-mine" >/dev/null
  dokku network:set "$SERVICE" initial-network "$SERVICE-mine"
  run -1 dokku interservice:link "$CALLER" "$SERVICE" --attach create --no-restart
  assert_output --partial "has an initial-network of its own"
  dokku network:set "$SERVICE" initial-network
  docker network rm "$SERVICE-mine" >/dev/null
}

@test "an initial-network that the operator sets after the link stays, and callers reach the service all the same" {
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --attach create --no-restart
  docker network create "$SERVICE-mine" >/dev/null
  dokku network:set "$SERVICE" initial-network "$SERVICE-mine"
  run -0 dokku interservice:sync "$SERVICE"
  assert_output --partial "dokku network:set $SERVICE initial-network"
  run -0 dokku ps:rebuild "$SERVICE"
  run -0 docker container inspect --format '{{ .HostConfig.NetworkMode }}' "$SERVICE.web.1"
  assert_output "$SERVICE-mine"
  run -0 caller_get "$CALLER" "http://$SERVICE:5000/"

  dokku network:set "$SERVICE" initial-network
  run -0 --separate-stderr dokku interservice:sync "$SERVICE"
  # shellcheck disable=SC2154 # bats sets it
  assert_equal "$stderr" ""
  run -0 dokku network:report "$SERVICE" --network-initial-network
  assert_output "$(networks_of_ours)"
  dokku network:set "$SERVICE" initial-network "$SERVICE-mine"
  run -0 dokku interservice:unlink "$CALLER" "$SERVICE" --no-restart
  run -0 dokku network:report "$SERVICE" --network-initial-network
  assert_output "$SERVICE-mine"
  destroy_apps "$SERVICE"
  docker network rm "$SERVICE-mine" >/dev/null
}

@test "links that share a name share when it is attached" {
  local other
  other="$(new_app)"
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --attach create --no-restart
  run -1 dokku interservice:link "$other" "$SERVICE" --no-restart
  assert_output --partial "is attached at create"
  run -0 dokku interservice:link "$other" "$SERVICE" --attach create --no-restart
  destroy_apps "$other"
}

@test "a service is attached at create under one name only" {
  local other process="" alias="" before
  other="$(new_app)"
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --attach create --no-restart
  before="$(snapshot "$SERVICE" "$other")"
  for process in web worker; do
    alias="another-$process"
    run -1 dokku interservice:link "$other" "$SERVICE" --attach create --process "$process" --alias "$alias" --port 5000 --no-restart
    assert_output --partial "dokku interservice:link $other $SERVICE --process web --alias $SERVICE --attach create"
  done
  assert_equal "$(snapshot "$SERVICE" "$other")" "$before"
  # and as the message says
  run -0 dokku interservice:link "$other" "$SERVICE" --attach deploy --alias another --no-restart
  run -0 dokku interservice:unlink "$other" "$SERVICE" --no-restart
  destroy_apps "$other"
}

@test "sync adds exactly the options that are missing, and unlink takes them out whatever became of the property" {
  local wished
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --attach create --no-restart
  wished="$(options)"
  dokku docker-options:remove --process web "$SERVICE" deploy "--network-alias $SERVICE"
  run -0 dokku interservice:sync
  assert_equal "$(options)" "$wished"
  dokku network:set "$SERVICE" initial-network
  run -0 dokku interservice:sync
  assert_equal "$(options)" "$wished"

  dokku network:set "$SERVICE" initial-network
  run -0 dokku interservice:unlink "$CALLER" "$SERVICE" --no-restart
  assert_equal "$(options)" ""
}
