#!/usr/bin/env bats
# Links follow their apps: renamed, cloned, destroyed, scaled, stopped, deployed side by side, called
# whatever Dokku allows. Everything is asked from inside a caller.
load helpers

setup_file() {
  dokku_up
  CALLER="$(new_app)" SERVICE="$(new_app)" DB="$(new_datastore postgres)"
  export CALLER SERVICE DB
  deploy_app "$SERVICE" provider
  deploy_app "$CALLER" client
}

teardown_file() {
  destroy_apps "$CALLER" "$SERVICE"
  destroy_datastores postgres "$DB"
  docker image rm --force "interservice-test/$SERVICE-two:1" "interservice-test/$SERVICE-one:1" >/dev/null 2>&1 || true
  dokku_down
}

setup() {
  APPS=()
}

teardown() {
  local service
  destroy_apps "${APPS[@]}"
  while IFS= read -r service; do
    dokku interservice:unlink "$CALLER" "$service" --no-restart
  done < <(dokku interservice:list "$CALLER" --format json 2>/dev/null | jq -r '.[].service')
}

# goes APP...: with the test.
goes() { APPS+=("$@"); }

# app IMAGE: a deployed app, in NEW, that goes with the test.
app() {
  NEW="$(new_app)"
  goes "$NEW"
  [[ -z "$1" ]] || deploy_app "$NEW" "$1"
}

# url SERVICE: what a caller's configuration says of it.
url() { dokku config:get "$1" "$2"; }

@test "a renamed service answers to both names, until its callers were deployed" {
  local old new
  app provider
  old="$NEW" new="$(unique_name)"
  goes "$new"
  run -0 dokku interservice:link "$CALLER" "$old" --env WHERE

  run -0 dokku apps:rename "$old" "$new"
  assert_output --partial "dokku ps:restart $CALLER"
  run -0 caller_get "$CALLER" "http://$old:5000/"
  run -0 caller_get "$CALLER" "http://$new:5000/"
  assert_equal "$(url "$CALLER" WHERE)" "http://$new:5000"

  run -0 dokku ps:restart "$CALLER"
  retired "$CALLER"
  run -0 tick
  run -0 caller_get "$CALLER" "http://$new:5000/"
  run -1 caller_resolve "$CALLER" "$old"
  assert_nothing_left "$old"

  run -0 dokku interservice:unlink "$CALLER" "$new" --no-restart
  assert_nothing_left "$new"
}

@test "a service renamed twice still answers to the name that its callers were started with" {
  local first second third
  app provider
  first="$NEW" second="$(unique_name)" third="$(unique_name)"
  goes "$second" "$third"
  run -0 dokku interservice:link "$CALLER" "$first"

  run -0 dokku apps:rename "$first" "$second"
  run -0 dokku apps:rename "$second" "$third"
  run -0 caller_get "$CALLER" "http://$first:5000/"
  run -0 caller_get "$CALLER" "http://$third:5000/"
  run -0 dokku interservice:unlink "$CALLER" "$third" --no-restart
  assert_nothing_left "$first" "$second" "$third"
}

@test "a service renamed back and forth answers to every name that a running caller knows" {
  local old new
  app provider
  old="$NEW" new="$(unique_name)"
  goes "$new"
  run -0 dokku interservice:link "$CALLER" "$old" --env WHERE
  run -0 dokku apps:rename "$old" "$new"
  run -0 dokku ps:restart "$CALLER"
  run -0 dokku apps:rename "$new" "$old"
  assert_equal "$(url "$CALLER" WHERE)" "http://$old:5000"
  run -0 caller_get "$CALLER" "http://$new:5000/"

  run -0 dokku ps:restart "$CALLER"
  run -0 caller_get "$CALLER" "http://$old:5000/"
  retired "$CALLER"
  run -0 dokku interservice:sync
  run -1 caller_resolve "$CALLER" "$new"
  run -0 dokku interservice:unlink "$CALLER" "$old" --no-restart
}

@test "a service that gets the name that another one had does not take its callers over" {
  local first second old
  app provider
  first="$NEW"
  app provider
  second="$NEW" old="$(unique_name)"
  goes "$old"
  run -0 dokku interservice:link "$CALLER" "$first" --env FIRST --no-restart
  run -0 dokku interservice:link "$CALLER" "$second" --env SECOND
  run -0 dokku apps:rename "$first" "$old"
  run -0 dokku apps:rename "$second" "$first"
  # what runs has the former names, what comes next the variables
  assert_equal "$(caller_get "$CALLER" "http://$first:5000/")" "$(hostname_of "$old.web.1")"
  assert_equal "$(caller_get "$CALLER" "http://$second:5000/")" "$(hostname_of "$first.web.1")"
  run -0 dokku ps:restart "$CALLER"
  assert_equal "$(caller_get "$CALLER" "$(url "$CALLER" FIRST)")" "$(hostname_of "$old.web.1")"
  assert_equal "$(caller_get "$CALLER" "$(url "$CALLER" SECOND)")" "$(hostname_of "$first.web.1")"
  run -0 dokku interservice:status
}

@test "a name that was given by hand stays when the service is renamed" {
  local old new
  app provider
  old="$NEW" new="$(unique_name)"
  goes "$new"
  run -0 dokku interservice:link "$CALLER" "$old" --alias given --env WHERE --no-restart

  run -0 dokku apps:rename "$old" "$new"
  run -0 caller_get "$CALLER" http://given:5000/
  assert_equal "$(url "$CALLER" WHERE)" http://given:5000
  run -0 dokku interservice:unlink "$CALLER" "$new" --no-restart
  assert_nothing_left "$old" "$new"
}

@test "a service that is renamed to what is no host name keeps the name that it has" {
  local old new
  app provider
  old="$NEW" new="$(unique_name)-"
  goes "$new"
  run -0 dokku interservice:link "$CALLER" "$old" --no-restart
  run -0 dokku apps:rename --skip-deploy "$old" "$new"
  run -0 --separate-stderr dokku interservice:list "$CALLER" --format json
  assert_equal "$(jq -r '.[] | "\(.service) \(.alias)"' <<<"$output")" "$new $old"
  run -0 dokku interservice:unlink "$CALLER" "$new" --no-restart
  assert_nothing_left "$old" "$new"
}

@test "a renamed service that is attached at create is attached under its new name only" {
  local old new
  old="$(new_app)" new="$(unique_name)"
  goes "$old" "$new"
  run -0 dokku interservice:link "$CALLER" "$old" --attach create --port 5000 --no-restart
  run -0 dokku apps:rename --skip-deploy "$old" "$new"
  run -0 snapshot_files "config/docker-options/$new"
  assert_output --partial "--network-alias $new"
  refute_output --partial "$old"

  run -0 dokku interservice:unlink "$CALLER" "$new" --no-restart
  run -0 snapshot_files "config/docker-options/$new"
  assert_output ""
  assert_nothing_left "$old" "$new"
}

@test "a renamed caller keeps its links" {
  local old new
  app client
  old="$NEW" new="$(unique_name)"
  goes "$new"
  run -0 dokku interservice:link "$old" "$SERVICE" --env WHERE --no-restart
  run -0 dokku interservice:set "$old" clone-links true

  run -0 dokku apps:rename "$old" "$new"
  run -0 docker container exec "$new.web.1" printenv WHERE
  run -0 caller_get "$new" "$output"
  assert_equal "$(dokku interservice:report "$new" --interservice-clone-links)" true
  run -0 dokku interservice:unlink "$new" "$SERVICE" --no-restart
  dokku interservice:set "$new" clone-links
  assert_nothing_left "$old" "$new"
}

@test "a rename that was cut short loses nothing, and sync says how to go on or back" {
  local old new
  app provider
  old="$NEW" new="$(unique_name)"
  goes "$new"
  run -0 dokku interservice:link "$CALLER" "$old" --env WHERE
  # all of a rename up to the death of the old app
  run -0 dokku apps:create "$new"
  run -0 dokku plugin:trigger post-app-rename-setup "$old" "$new"

  run -0 dokku interservice:sync
  # Dokku has told the new app of the old one's containers and scale, and takes them along
  local back
  back="$(sed -n 's/.*to go back, and then rename it again: //p' <<<"$output")"
  assert_regex "$back" "^dokku apps:destroy $new --force && dokku ps:scale --skip-deploy $old .*web=1.* && dokku ps:start $old\$"
  run -0 caller_get "$CALLER" "http://$old:5000/"
  run -0 bash -ec "$back"
  run -0 caller_get "$CALLER" "http://$old:5000/"
  assert_equal "$(url "$CALLER" WHERE)" "http://$old:5000"
  run -0 --separate-stderr dokku interservice:sync
  # shellcheck disable=SC2154 # bats sets it
  assert_equal "$stderr" ""
  run -0 dokku interservice:unlink "$CALLER" "$old" --no-restart
  assert_nothing_left "$old" "$new"
}

@test "a clone of a caller calls nothing that the original calls, and it is said" {
  local original copy
  app client
  original="$NEW" copy="$(unique_name)"
  goes "$copy"
  run -0 dokku interservice:link "$original" "$SERVICE" --env WHERE --no-restart
  run -0 dokku interservice:link "$original" "postgres:$DB"

  run -0 dokku apps:clone "$original" "$copy"
  assert_output --partial "dokku interservice:link $copy $SERVICE --env WHERE"
  assert_output --partial "dokku interservice:link $copy postgres:$DB"
  run -1 dokku config:get "$copy" WHERE
  run -1 dokku config:get "$copy" DATABASE_URL
  run -1 caller_resolve "$copy" "$SERVICE"
  run -1 caller_resolve "$copy" "dokku-postgres-$DB"
  run -0 caller_get "$original" "http://$SERVICE:5000/"
  run -0 caller_resolve "$original" "dokku-postgres-$DB"
  run -0 dokku postgres:links "$DB"
  refute_line "$copy"
  assert_nothing_left "$copy"

  run -0 dokku interservice:unlink "$original" "postgres:$DB" --no-restart
}

@test "with clone-links a clone calls what the original calls" {
  local original copy
  app client
  original="$NEW" copy="$(unique_name)"
  goes "$copy"
  run -0 dokku interservice:link "$original" "$SERVICE" --no-restart
  run -0 dokku interservice:link "$original" "postgres:$DB" --no-restart
  run -0 dokku interservice:set "$original" clone-links true

  run -0 dokku apps:clone "$original" "$copy"
  run -0 caller_get "$copy" "http://$SERVICE:5000/"
  run -0 caller_resolve "$copy" "dokku-postgres-$DB"

  run -0 dokku interservice:unlink "$original" "postgres:$DB" --no-restart
  run -0 dokku interservice:unlink "$copy" "postgres:$DB" --no-restart
}

@test "a clone of a service is nobody's service" {
  local copy
  copy="$(unique_name)"
  goes "$copy"
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --attach create --no-restart
  run -0 dokku ps:restart "$SERVICE"

  run -0 dokku apps:clone "$SERVICE" "$copy"
  run -0 container_networks "$copy.web.1"
  refute_output --partial interservice
  run -1 caller_resolve "$CALLER" "$copy"
  run -0 http_get "$copy"
  assert_output --partial "200 "

  run -0 dokku interservice:unlink "$CALLER" "$SERVICE" --no-restart
  run -0 dokku ps:restart "$SERVICE"
  retired "$SERVICE"
  run -0 tick
  assert_nothing_left "$SERVICE" "$copy"
}

@test "a service that is called is not destroyed by mistake" {
  local service
  app provider
  service="$NEW"
  run -0 dokku interservice:link "$CALLER" "$service" --env WHERE --no-restart

  run -1 dokku apps:destroy "$service" <<<"$service"
  assert_output --partial "$service is called by $CALLER"
  run -0 caller_get "$CALLER" "http://$service:5000/"

  run -0 dokku --force apps:destroy "$service"
  assert_output --partial "$CALLER is no longer linked to $service"
  run -1 dokku config:get "$CALLER" WHERE
  run -1 caller_resolve "$CALLER" "$service"
  assert_nothing_left "$service"
}

@test "a destroyed caller leaves nothing, and others go on calling" {
  local caller
  app client
  caller="$NEW"
  run -0 dokku interservice:link "$caller" "$SERVICE"
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --no-restart
  run -0 dokku interservice:set "$caller" drain 2

  run -0 dokku --force apps:destroy "$caller"
  assert_nothing_left "$caller"
  run -0 caller_get "$CALLER" "http://$SERVICE:5000/"
  run -0 dokku interservice:unlink "$CALLER" "$SERVICE" --no-restart
  assert_nothing_left "$SERVICE"
}

# image_with TYPES: the provider with a Procfile of those types, in IMAGE.
image_with() {
  IMAGE="interservice-test/$SERVICE-$1:1"
  shift
  docker build --quiet --tag "$IMAGE" - <<DOCKERFILE
FROM interservice-test/provider:1
USER root
RUN printf '%s: provider\n' $* >Procfile && echo '{}' >app.json
DOCKERFILE
}

@test "each process type is a service of its own; it may be scaled to nothing and back, or vanish" {
  local service
  image_with two web api
  app ""
  service="$NEW"
  dokku ps:scale --skip-deploy "$service" web=1 api=1
  deploy_app "$service" "$IMAGE"
  run -0 dokku interservice:link "$CALLER" "$service" --no-restart
  run -2 --keep-empty-lines dokku interservice:unlink "$CALLER" "$service" --process 'a b'
  run -0 dokku interservice:link "$CALLER" "$service" --process api --alias the-api --port 5000 --env API_URL --no-restart

  assert_equal "$(caller_get "$CALLER" "http://$service:5000/")" "$(hostname_of "$service.web.1")"
  assert_equal "$(caller_get "$CALLER" http://the-api:5000/)" "$(hostname_of "$service.api.1")"

  # a deploy of one type is none of the other's
  local before
  before="$(docker network ls --format '{{ .Name }}' --filter "name=^interservice\.$service\.web")"
  run -0 dokku ps:scale "$service" api=0
  assert_equal "$(docker network ls --format '{{ .Name }}' --filter "name=^interservice\.$service\.web")" "$before"
  retired "$service"
  run -1 caller_resolve "$CALLER" the-api
  run -0 dokku ps:scale "$service" api=2
  run -0 caller_get "$CALLER" http://the-api:5000/
  assert_equal "$(caller_get "$CALLER" "http://$service:5000/")" "$(hostname_of "$service.web.1")"

  # the type is gone from the Procfile: the other one does not suffer
  image_with one web
  run -0 deploy_app "$service" "$IMAGE"
  run -0 caller_get "$CALLER" "http://$service:5000/"

  run -2 dokku interservice:unlink "$CALLER" "$service" --no-restart
  assert_output --partial "say which with --process"
  run -0 dokku interservice:unlink "$CALLER" "$service" --process api --no-restart
  run -0 dokku interservice:unlink "$CALLER" "$service" --no-restart
  assert_nothing_left "$service"
}

@test "links to several process types follow a rename, each to its own type, and none of them a clone" {
  local old new copy
  image_with two web api
  app ""
  old="$NEW" new="$(unique_name)" copy="$(unique_name)"
  goes "$new" "$copy"
  dokku ps:scale --skip-deploy "$old" web=1 api=1
  deploy_app "$old" "$IMAGE"
  run -0 dokku interservice:link "$CALLER" "$old" --no-restart
  run -0 dokku interservice:link "$CALLER" "$old" --process api --alias the-api --port 5000 --env API_URL --no-restart

  run -0 dokku apps:rename "$old" "$new"
  assert_equal "$(caller_get "$CALLER" "http://$new:5000/")" "$(hostname_of "$new.web.1")"
  assert_equal "$(caller_get "$CALLER" http://the-api:5000/)" "$(hostname_of "$new.api.1")"
  run -0 dokku apps:clone --skip-deploy "$new" "$copy"
  run -0 --separate-stderr dokku interservice:list "$CALLER" --format json
  assert_equal "$(jq -r '.[] | "\(.service) \(.process) \(.alias)"' <<<"$output" | sort)" "$new api the-api"$'\n'"$new web $new"

  run -0 dokku interservice:unlink "$CALLER" "$new" --process api --no-restart
  run -0 dokku interservice:unlink "$CALLER" "$new" --process web --no-restart
  assert_nothing_left "$old" "$new" "$copy"
}

hostname_of() { docker container inspect --format '{{ .Config.Hostname }}' "$1"; }

@test "callers learn the new port at the service's next deploy" {
  local service
  app provider
  service="$NEW"
  run -0 dokku interservice:link "$CALLER" "$service" --env WHERE --path /health
  run -0 dokku interservice:link "$SERVICE" "$service" --env GIVEN --port 5000 --no-restart

  run -0 dokku ports:set "$service" http:80:7000
  run -0 dokku ps:restart "$service"
  assert_output --partial "$service is now on port 7000"
  assert_equal "$(url "$CALLER" WHERE)" "http://$service:7000/health"
  run -0 caller_get "$CALLER" "http://$service:7000/health"
  # a port that was given by hand does not follow
  assert_equal "$(url "$SERVICE" GIVEN)" "http://$service:5000"

  run -0 dokku interservice:unlink "$SERVICE" "$service" --no-restart
  run -0 dokku interservice:unlink "$CALLER" "$service" --no-restart
  assert_nothing_left "$service"
}

@test "links survive ps:stop and ps:start of service and caller" {
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --no-restart

  run -0 dokku ps:stop "$SERVICE"
  run -1 caller_get "$CALLER" "http://$SERVICE:5000/"
  run -0 tick
  run -0 dokku ps:start "$SERVICE"
  run -0 caller_get "$CALLER" "http://$SERVICE:5000/"

  run -0 dokku ps:stop "$CALLER"
  run -0 tick
  run -0 dokku ps:start "$CALLER"
  run -0 caller_get "$CALLER" "http://$SERVICE:5000/"
}

@test "links survive a reboot: every container stopped, Dokku restores the apps" {
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --no-restart
  run -0 dokku interservice:link "$CALLER" "postgres:$DB"
  docker container stop --time 2 "$CALLER.web.1" "$SERVICE.web.1" "dokku.postgres.$DB"
  # the engine brings back what restarts always; Dokku the rest
  docker container start "dokku.postgres.$DB"

  run -0 dokku ps:restore "$CALLER"
  run -0 dokku ps:restore "$SERVICE"
  run -0 caller_get "$CALLER" "http://$SERVICE:5000/"
  run -0 caller_resolve "$CALLER" "dokku-postgres-$DB"
  run -0 dokku interservice:unlink "$CALLER" "postgres:$DB"
}

@test "names with dots and of 63 characters work, longer ones want an alias" {
  local dotted long
  dotted="$(unique_name).example.com"
  long="$(unique_name)$(printf 'x%.0s' {1..52})"
  goes "$dotted" "$long"
  dokku apps:create "$dotted"
  dokku apps:create "$long"
  deploy_app "$dotted" provider
  run -0 dokku interservice:link "$CALLER" "$dotted" --no-restart
  run -0 dokku interservice:link "$CALLER" "$long" --no-restart
  assert_equal "${#long}" 63

  # a dotted name would hide the site of that name
  run -0 caller_get "$CALLER" "http://${dotted//./-}:5000/"
  run -0 dokku config:get "$CALLER" "$(tr 'a-z.' 'A-Z_' <<<"$dotted")_URL"
  assert_output "http://${dotted//./-}:5000"
  run -0 dokku ps:restart "$dotted"
  run -0 caller_get "$CALLER" "http://${dotted//./-}:5000/"
  run -0 tick
  run -0 dokku interservice:unlink "$CALLER" "$dotted" --no-restart
  run -0 dokku interservice:unlink "$CALLER" "$long" --no-restart
  assert_nothing_left "$dotted" "$long"

  dokku apps:create "${long}y"
  goes "${long}y"
  run -2 dokku interservice:link "$CALLER" "${long}y" --no-restart
  assert_output --partial "--alias"
}

@test "an app called like the plugin takes nothing of it along" {
  goes interservice
  dokku apps:create interservice
  run -0 dokku config:set --no-restart interservice A=1
  run -0 dokku interservice:set --global drain 2
  run -0 dokku interservice:set "$CALLER" drain 3
  run -0 dokku interservice:link interservice "$SERVICE" --no-restart
  run -0 dokku interservice:link "$CALLER" interservice --no-restart

  run -0 dokku --force apps:destroy interservice
  run -0 dokku interservice:report --global --interservice-computed-drain
  assert_output 2
  run -0 dokku interservice:report "$CALLER" --interservice-drain
  assert_output 3
  run -0 dokku interservice:set --global drain
  run -0 dokku interservice:set "$CALLER" drain
  assert_nothing_left interservice "$SERVICE"
}

@test "a service without zero-downtime checks is reachable again after its deploy" {
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --no-restart
  dokku checks:disable "$SERVICE"
  run -0 dokku ps:restart "$SERVICE"
  dokku checks:enable "$SERVICE"
  wait_until 20 caller_get "$CALLER" "http://$SERVICE:5000/"
}

@test "apps that deploy at the same time do not trip over one another" {
  local first second app
  app provider
  first="$NEW"
  app client
  second="$NEW"
  run -0 dokku interservice:link "$CALLER" "$first" --no-restart
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --no-restart
  run -0 dokku interservice:link "$second" "$first" --no-restart
  run -0 dokku interservice:link "$second" "$SERVICE" --no-restart

  for app in "$first" "$second" "$CALLER" "$SERVICE"; do
    in_background "$BATS_TEST_TMPDIR/deploy-$app" dokku ps:rebuild "$app"
  done
  for app in "$first" "$second" "$CALLER" "$SERVICE"; do
    wait_until 120 test -e "$BATS_TEST_TMPDIR/deploy-$app"
    run -1 grep "could not finish" "$BATS_TEST_TMPDIR/deploy-$app.err"
  done

  for app in "$CALLER" "$second"; do
    run -0 caller_get "$app" "http://$first:5000/"
    run -0 caller_get "$app" "http://$SERVICE:5000/"
  done
  run -0 --separate-stderr dokku interservice:sync --dry-run
  refute_output --partial "publish"
  refute_output --partial "join"
}

@test "two links made at the same time are both there" {
  local first second
  app ""
  first="$NEW"
  app ""
  second="$NEW"
  in_background "$BATS_TEST_TMPDIR/first" dokku interservice:link "$CALLER" "$first" --no-restart
  in_background "$BATS_TEST_TMPDIR/second" dokku interservice:link "$CALLER" "$second" --no-restart
  wait_until 30 test -e "$BATS_TEST_TMPDIR/first"
  wait_until 30 test -e "$BATS_TEST_TMPDIR/second"

  run -0 --separate-stderr dokku interservice:list "$CALLER" --format json
  assert_equal "$(jq -r '[.[].service] | sort | join(" ")' <<<"$output")" "$(printf '%s\n' "$first" "$second" | sort | paste -sd ' ')"
  run -0 --separate-stderr dokku interservice:sync --dry-run
  assert_output ""
}
