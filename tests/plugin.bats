#!/usr/bin/env bats
# Install, update, uninstall: on a stand-in of its own, also where other suites use a real Dokku,
# because other apps' links would not survive it.
load helpers

setup_file() {
  unset INTERSERVICE_REAL_DOKKU INTERSERVICE_STANDIN
  dokku_up
}

teardown() {
  dokku interservice:set --global subnet-pool || true
  dokku interservice:set --global subnet-size || true
}

@test "install builds the helper images also where no app is yet" {
  run -0 dokku plugin:trigger install
  assert_output --partial "Building the helper images"
}

@test "install warns of apps whose port Dokku opens, names the cure, and changes nothing" {
  local app
  app="$(new_app)"
  # without a value: Dokku's own hook, which runs after ours, is about to set it
  run -0 dokku plugin:trigger install
  assert_output --partial "dokku network:set $app bind-all-interfaces false"
  dokku network:set "$app" bind-all-interfaces true
  run -0 dokku plugin:trigger install
  assert_output --partial "dokku network:set $app bind-all-interfaces false"
  assert_equal "$(dokku network:report "$app" --network-bind-all-interfaces)" true

  dokku network:set "$app" bind-all-interfaces false
  run -0 dokku plugin:trigger install
  refute_output --partial "bind-all-interfaces false"
  destroy_apps "$app"
}

@test "what root installs, the user dokku can write" {
  assert_equal "$(stat --format %u "$(dokku_lib)/data/interservice")" "$(stat --format %u "$(dokku_lib)/data")"
  run -0 dokku interservice:set --global drain 2
  run -0 dokku interservice:set --global drain
}

@test "set takes what report shows, and refuses what is none" {
  local app
  app="$(new_app)"
  run -0 dokku interservice:set "$app" drain 2.5
  run -0 dokku interservice:report "$app" --interservice-drain
  assert_output 2.5
  run -0 dokku interservice:report "$app" --interservice-computed-drain
  assert_output 2.5
  run -0 --separate-stderr dokku interservice:report "$app" --format json
  assert_equal "$(jq -r '.["computed-drain"]' <<<"$output")" 2.5
  run -0 dokku report "$app"
  assert_output --partial "$app interservice information"

  run -1 dokku interservice:set "$app" drain soon
  run -1 dokku interservice:set "$app" no-such 1
  assert_output --partial "valid properties include: drain"
  run -1 dokku interservice:set "$app" subnet-pool 10.0.0.0/8
  run -1 dokku interservice:set --global subnet-pool 10.0.0.1/8
  run -1 dokku interservice:set --global subnet-pool 10.0.0.0/08
  run -1 dokku interservice:report "$app" --interservice-no-such
  assert_output --partial "Invalid flag passed"
  run -20 dokku interservice:set no-such-app drain 1
  destroy_apps "$app"
}

# subnet_of SERVICE: of its newest network.
subnet_of() {
  local network
  network="$(docker network ls --format '{{ .Name }}' --filter "name=^interservice\.$1\." | sort | head -n 1)"
  docker network inspect --format '{{ range .IPAM.Config }}{{ .Subnet }}{{ end }}' "$network"
}

@test "networks get addresses from our pool, never those that Docker uses, and a full pool is said" {
  local caller service third
  caller="$(new_app)" service="$(new_app)" third="$(new_app)"
  run -0 dokku interservice:link "$caller" "$service" --port 5000
  assert_regex "$(subnet_of "$service")" '^100\.12[0-3]\.[0-9]+\.0/24$'
  run -0 dokku interservice:unlink "$caller" "$service"

  # a pool of two, one of which is taken
  local pool="198.18.$((RANDOM % 256))"
  docker network create --subnet "$pool.0/28" "$caller-mine" >/dev/null
  run -0 dokku interservice:set --global subnet-pool "$pool.0/27"
  run -0 dokku interservice:set --global subnet-size 28
  run -0 dokku interservice:link "$caller" "$service" --port 5000
  assert_equal "$(subnet_of "$service")" "$pool.16/28"
  run -1 dokku interservice:link "$caller" "$third" --port 5000
  assert_output --partial "No free /28 is left in $pool.0/27"

  run -1 dokku interservice:unlink "$caller" "$third"
  run -0 dokku interservice:unlink "$caller" "$service"
  docker network rm "$caller-mine" >/dev/null
  destroy_apps "$caller" "$service" "$third"
}

@test "update builds what changed, and links go on" {
  local caller service
  caller="$(new_app)" service="$(new_app)"
  deploy_app "$service" provider
  deploy_app "$caller" client
  run -0 dokku interservice:link "$caller" "$service" --no-restart
  run -0 dokku plugin:update interservice
  run -0 caller_get "$caller" "http://$service:5000/"
  run -0 dokku plugin:disable interservice
  run -0 dokku ps:restart "$service"
  run -0 dokku plugin:enable interservice
  run -0 dokku interservice:sync
  run -0 caller_get "$caller" "http://$service:5000/"
  destroy_apps "$caller" "$service"
}

@test "what went away while the plugin was disabled takes its links along, and is not made anew" {
  local caller gone service db unlinked
  caller="$(new_app)" gone="$(new_app)" service="$(new_app)" db="$(new_datastore redis)" unlinked="$(new_datastore redis)"
  run -0 dokku interservice:link "$caller" "$service" --port 5000 --env A_URL --no-restart
  run -0 dokku interservice:link "$gone" "$caller" --port 5000 --no-restart
  run -0 dokku interservice:link "$caller" "redis:$db" --no-restart
  run -0 dokku interservice:link "$caller" "redis:$unlinked" --no-restart
  run -0 dokku plugin:disable interservice
  dokku redis:unlink "$unlinked" "$caller" --no-restart
  dokku apps:destroy "$gone" --force
  dokku apps:destroy "$service" --force
  dokku redis:unlink "$db" "$caller" --no-restart
  dokku redis:destroy "$db" --force
  run -0 dokku plugin:enable interservice

  run -1 dokku interservice:status
  assert_output --partial "dokku interservice:sync"
  run -0 dokku ps:retire
  assert_line --partial "$gone is no longer linked to $caller: there is no $gone any more"
  assert_line --partial "$caller is no longer linked to $service: there is no $service any more"
  assert_line --partial "$caller is no longer linked to redis:$db: there is no redis:$db any more"
  run -0 dokku interservice:sync
  assert_line --partial "$caller is no longer linked to redis:$unlinked: dokku redis:unlink was done"
  run -0 dokku interservice:status
  run -1 dokku config:get "$caller" A_URL
  assert_equal "$(dokku redis:links "$unlinked")" ""
  assert_equal "$(left)" ""
  assert [ ! -e "$(dokku_lib)/data/interservice/links" ]
  assert [ ! -e "$(dokku_lib)/config/$gone" ]
  assert [ ! -s "$(dokku_lib)/config/redis/$db/post-create-network" ]
  destroy_apps "$caller"
  destroy_datastores redis "$unlinked"
}

# left: our networks.
left() { docker network ls --filter "label=com.dokku.interservice.root=$(dokku_lib)" --format '{{ .Name }}'; }

@test "uninstall leaves the network on which containers were created, reachable, and says what takes it away" {
  local caller service network
  caller="$(new_app)" service="$(new_app)"
  run -0 dokku interservice:link "$caller" "$service" --attach create --port 5000 --no-restart
  deploy_app "$service" provider
  network="$(left)"

  run -0 dokku plugin:uninstall interservice
  assert_line --partial "dokku ps:rebuild $service"
  assert_line --partial "docker network rm $network"
  assert_equal "$(left)" "$network"
  run -0 http_get "$service"
  assert_output --partial "200 "

  run -0 dokku ps:rebuild "$service"
  run -0 http_get "$service"
  assert_output --partial "200 "
  wait_until 30 docker network rm "$network"
  destroy_apps "$caller" "$service"
  dokku plugin:install "file://$INTERSERVICE_STANDIN/source" --name interservice
}

@test "uninstall with links present leaves nothing of ours" {
  local caller service db
  caller="$(new_app)" service="$(new_app)" db="$(new_datastore postgres)"
  deploy_app "$service" provider
  dokku postgres:link "$db" "$service" --no-restart
  run -0 dokku interservice:link "$caller" "$service" --env A_URL --no-restart
  run -0 dokku interservice:link "$service" "postgres:$db" --no-restart
  run -0 dokku interservice:set "$service" drain 3

  run -0 dokku plugin:uninstall interservice
  # its containers have no legacy link
  assert_output --partial "dokku ps:restart $service"

  assert_equal "$(left)" ""
  [[ ! -e "$(dokku_lib)/data/interservice" ]]
  [[ ! -e "$(dokku_lib)/config/interservice" ]]
  run -1 dokku config:get "$caller" A_URL
  run -0 dokku docker-options:report "$service" --docker-options-deploy
  assert_output --partial "--link dokku.postgres.$db"
  assert_equal "$(dokku postgres:info "$db" --post-create-network)" ""

  destroy_apps "$caller" "$service"
  destroy_datastores postgres "$db"
}
