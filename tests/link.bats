#!/usr/bin/env bats
# link, unlink, list: what they add, what they refuse, and that they take away exactly that.
load helpers

setup_file() {
  dokku_up
  CALLER="$(new_app)" SERVICE="$(new_app)" STRANGER="$(new_app)"
  export CALLER SERVICE STRANGER
  dokku ps:scale --skip-deploy "$SERVICE" web=2
  deploy_app "$SERVICE" provider
  deploy_app "$CALLER" client
  deploy_app "$STRANGER" client
}

teardown_file() {
  destroy_apps "$CALLER" "$SERVICE" "$STRANGER"
  dokku_down
}

teardown() {
  local service
  while IFS= read -r service; do
    dokku interservice:unlink "$CALLER" "$service" --no-restart
  done < <(dokku interservice:list "$CALLER" --format json | jq -r '.[].service')
}

# replicas CALLER URL: how many different ones answer in twenty requests.
replicas() {
  local _
  for _ in {1..20}; do caller_get "$1" "$2"; done | sort -u | wc -l
}

@test "a link makes the service reachable by name, and every replica answers" {
  run -0 dokku interservice:link "$CALLER" "$SERVICE"

  run -0 caller_get "$CALLER" "http://$SERVICE:5000/"
  assert_equal "$(replicas "$CALLER" "http://$SERVICE:5000/")" 2
  run -0 caller_get "$CALLER" "http://$SERVICE.internal:5000/"
}

@test "the caller is told where the service is, in the variable and with the path that were asked for" {
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --env WHERE_IT_IS --path /health

  run -0 docker container exec "$CALLER.web.1" printenv WHERE_IT_IS
  assert_output "http://$SERVICE:5000/health"
  run -0 caller_get "$CALLER" "$output"
}

@test "without --env the variable is named after the service" {
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --no-restart
  run -0 dokku config:get "$CALLER" "${SERVICE^^}_URL"
  assert_output "http://$SERVICE:5000"
}

@test "who is not linked cannot resolve the name" {
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --no-restart

  run -0 caller_resolve "$CALLER" "$SERVICE"
  run -1 caller_resolve "$STRANGER" "$SERVICE"
  run -1 caller_resolve "$STRANGER" "$SERVICE.internal"
}

@test "two callers may know a service by different names, and neither learns the other's" {
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --alias one --no-restart
  run -0 dokku interservice:link "$STRANGER" "$SERVICE" --alias two --no-restart

  run -0 caller_resolve "$CALLER" one
  run -1 caller_resolve "$CALLER" two
  run -0 caller_resolve "$STRANGER" two
  run -1 caller_resolve "$STRANGER" one

  run -0 dokku interservice:unlink "$STRANGER" "$SERVICE" --no-restart
  run -0 caller_resolve "$CALLER" one
  run -1 caller_resolve "$STRANGER" two
}

@test "who is unlinked no longer reaches what others still call" {
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --no-restart
  run -0 dokku interservice:link "$STRANGER" "$SERVICE" --no-restart
  run -0 dokku interservice:unlink "$STRANGER" "$SERVICE" --no-restart

  run -1 caller_resolve "$STRANGER" "$SERVICE"
  run -0 caller_resolve "$CALLER" "$SERVICE"
}

@test "unlink takes away exactly what link added" {
  local before
  before="$(snapshot "$CALLER" "$SERVICE")"

  run -0 dokku interservice:link "$CALLER" "$SERVICE" --env A_URL --path /health --no-restart
  run -0 dokku interservice:unlink "$CALLER" "$SERVICE" --no-restart

  assert_equal "$(snapshot "$CALLER" "$SERVICE")" "$before"
}

@test "unlink with a restart leaves nothing either, and the caller's new containers know nothing" {
  local before
  before="$(snapshot "$CALLER" "$SERVICE")"

  run -0 dokku interservice:link "$CALLER" "$SERVICE"
  run -0 dokku interservice:unlink "$CALLER" "$SERVICE"

  run -1 caller_resolve "$CALLER" "$SERVICE"
  run -1 docker container exec "$CALLER.web.1" printenv "${SERVICE^^}_URL"
  assert_equal "$(snapshot "$CALLER" "$SERVICE")" "$before"
}

@test "a variable that was there with the very value stays when the link goes" {
  dokku config:set --no-restart "$CALLER" "OLD_URL=http://$SERVICE:5000"
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --env OLD_URL --no-restart
  run -0 dokku interservice:unlink "$CALLER" "$SERVICE" --no-restart
  run -0 dokku config:get "$CALLER" OLD_URL
  assert_output "http://$SERVICE:5000"
  dokku config:unset --no-restart "$CALLER" OLD_URL
}

@test "--dry-run says what would be done and does nothing" {
  local before
  before="$(snapshot "$CALLER" "$SERVICE")"

  run -0 --separate-stderr dokku interservice:link "$CALLER" "$SERVICE" --dry-run

  assert_output --partial "create network interservice.$SERVICE."
  assert_output --partial "join $CALLER.web.1"
  assert_output --partial "publish $SERVICE.web.1, $SERVICE.web.2 as $SERVICE"
  assert_output --partial "set ${SERVICE^^}_URL=http://$SERVICE:5000"
  assert_equal "$(snapshot "$CALLER" "$SERVICE")" "$before"
}

# refuses STATUS TEXT ARG...: exits with STATUS, says TEXT on stderr and nothing on stdout.
refuses() {
  local status="$1" text="$2"
  shift 2
  run "-$status" --separate-stderr dokku "$@"
  assert_output ""
  # shellcheck disable=SC2154 # bats sets it
  if [[ "$stderr" != *"$text"* ]]; then fail "'$text' is not in: $stderr"; fi
}

@test "what cannot be linked is refused with the reason, and nothing changes" {
  local before
  before="$(snapshot "$CALLER" "$SERVICE")"
  refuses 1 "Please specify an app" interservice:link
  refuses 2 "Please specify the service" interservice:link "$CALLER"
  refuses 2 "cannot be linked to itself" interservice:link "$CALLER" "$CALLER"
  refuses 20 "App no-such-app does not exist" interservice:link "$CALLER" no-such-app
  refuses 20 "App no-such-app does not exist" interservice:link no-such-app "$SERVICE"
  refuses 1 "Datastore postgres:no-such does not exist" interservice:link "$CALLER" postgres:no-such
  refuses 1 "No datastore plugin is known by the name filestore" interservice:link "$CALLER" filestore:x
  refuses 2 "Unknown flag: --alais" interservice:link "$CALLER" "$SERVICE" --alais x
  refuses 2 "Flag --alias needs a value" interservice:link "$CALLER" "$SERVICE" --alias
  refuses 2 "Unexpected argument: third" interservice:link "$CALLER" "$SERVICE" third
  assert_equal "$(snapshot "$CALLER" "$SERVICE")" "$before"
}

@test "values that would not work are refused, and nothing changes" {
  local before
  before="$(snapshot "$CALLER" "$SERVICE")"
  local bad
  for bad in Upper under_score -dash dash- a.b "a b" 2048 0x7f localhost "$(printf 'x%.0s' {1..64})"; do
    refuses 2 "cannot be a host name" interservice:link "$CALLER" "$SERVICE" "--alias=$bad"
  done
  for bad in 0 65536 http 80x -1; do
    refuses 2 "is no port" interservice:link "$CALLER" "$SERVICE" "--port=$bad"
  done
  for bad in ping "/a b" "/a#b" "/a|b"; do
    refuses 2 "is no path" interservice:link "$CALLER" "$SERVICE" "--path=$bad"
  done
  for bad in 1A A-B "A B" A=B; do
    refuses 2 "is no name of a variable" interservice:link "$CALLER" "$SERVICE" "--env=$bad"
  done
  refuses 2 "where $CALLER itself listens" interservice:link "$CALLER" "$SERVICE" --env PORT
  refuses 2 "neither deploy nor create" interservice:link "$CALLER" "$SERVICE" --attach later
  assert_equal "$(snapshot "$CALLER" "$SERVICE")" "$before"
}

@test "a second link between the two, and a name that another service has, are refused" {
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --alias api --no-restart
  refuses 1 "is already linked to $SERVICE" interservice:link "$CALLER" "$SERVICE"
  refuses 1 "already knows $SERVICE as api" interservice:link "$CALLER" "$STRANGER" --alias api
  refuses 1 "already tells $CALLER where $SERVICE is" interservice:link "$CALLER" "$STRANGER" --env "${SERVICE^^}_URL"
}

@test "a variable with another value is not ours to overwrite" {
  dokku config:set --no-restart "$CALLER" MINE_URL=http://elsewhere
  refuses 1 "MINE_URL is already set" interservice:link "$CALLER" "$SERVICE" --env MINE_URL
  dokku config:unset --no-restart "$CALLER" MINE_URL
}

@test "an app on another scheduler is refused, as service and as caller" {
  local other scheduler
  other="$(new_app)"
  for scheduler in null k3s; do
    dokku scheduler:set "$other" selected "$scheduler"
    refuses 1 "is on the $scheduler scheduler" interservice:link "$CALLER" "$other"
    refuses 1 "is on the $scheduler scheduler" interservice:link "$other" "$SERVICE"
  done
  dokku scheduler:set "$other" selected
  destroy_apps "$other"
}

@test "a name under which one of the two would find itself is refused" {
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --alias peer --no-restart
  refuses 1 "$SERVICE is itself peer for $CALLER" interservice:link "$SERVICE" "$STRANGER" --alias peer
  refuses 1 "$SERVICE is itself peer for $CALLER" interservice:link "$SERVICE" "$CALLER" --alias peer
  refuses 1 "$CALLER calls $SERVICE by the name peer" interservice:link "$STRANGER" "$CALLER" --alias peer

  run -0 dokku interservice:link "$SERVICE" "$CALLER" --alias other --no-restart
  run -0 caller_get "$CALLER" http://peer:5000/
  run -0 dokku interservice:unlink "$SERVICE" "$CALLER" --no-restart
}

@test "an unlink does not take away what was linked anew during its restart" {
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --env FIRST_URL --no-restart
  in_background "$BATS_TEST_TMPDIR/unlink" dokku interservice:unlink "$CALLER" "$SERVICE"
  wait_until 30 eval "! dokku config:get $CALLER FIRST_URL"
  run -0 dokku interservice:unlink "$CALLER" "$SERVICE" --no-restart
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --env SECOND_URL --no-restart
  wait_until 120 test -e "$BATS_TEST_TMPDIR/unlink"
  run -0 dokku config:get "$CALLER" SECOND_URL
  run -0 --separate-stderr dokku interservice:list "$CALLER" --format json
  assert_equal "$(jq -r '.[].variable' <<<"$output")" SECOND_URL
  run -0 --separate-stderr dokku interservice:sync --dry-run
  assert_output ""
}

@test "unlink of what is not linked says what is" {
  refuses 1 "is not linked to $SERVICE" interservice:unlink "$CALLER" "$SERVICE"
}

@test "run containers of a caller reach the service; those of the service never carry its name" {
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --no-restart
  run -0 dokku run "$CALLER" client get "http://$SERVICE:5000/"

  local addresses
  addresses="$(caller_resolve "$CALLER" "$SERVICE" | sort)"
  dokku run:detached "$SERVICE" provider worker
  assert_equal "$(caller_resolve "$CALLER" "$SERVICE" | sort)" "$addresses"
  docker ps --quiet --filter "label=com.dokku.app-name=$SERVICE" --filter label=com.dokku.container-type=run \
    | xargs docker rm --force
}

@test "cron jobs, predeploy and release tasks of a caller reach the service" {
  local image="interservice-test/$CALLER:tasks" id
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --no-restart
  docker build --quiet --tag "$image" - <<DOCKERFILE
FROM interservice-test/client:1
USER root
RUN echo '{"scripts": {"dokku": {"predeploy": "client get http://$SERVICE:5000/"}}, "cron": [{"command": "client get http://$SERVICE:5000/", "schedule": "0 0 1 1 *"}]}' >app.json \\
  && printf 'web: client\\nrelease: client get http://$SERVICE:5000/\\n' >Procfile
USER nobody
DOCKERFILE

  # a task that fails would fail the deploy
  run -0 deploy_app "$CALLER" "$image"
  id="$(dokku cron:list "$CALLER" --format json | jq -r '.[0].id')"
  run -0 dokku cron:run "$CALLER" "$id"
  deploy_app "$CALLER" client
  docker image rm "$image" || true
}

@test "apps may be linked before they were ever deployed" {
  local caller service
  caller="$(new_app)" service="$(new_app)"
  run -0 dokku interservice:link "$caller" "$service" --port 5000
  deploy_app "$service" provider
  deploy_app "$caller" client
  run -0 caller_get "$caller" "http://$service:5000/"
  run -0 dokku interservice:unlink "$caller" "$service" --no-restart
  destroy_apps "$caller" "$service"
}

@test "list shows the links, as text and as JSON" {
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --alias api --path /health --env API_URL --no-restart

  run -0 --separate-stderr dokku interservice:list
  assert_line --regexp "^$CALLER +$SERVICE +web +api +5000 +/health +API_URL +deploy$"

  run -0 --separate-stderr dokku interservice:list "$SERVICE" --format json
  assert_equal "$(jq -c '.[0] | [.caller, .service, .process, .alias, .port, .path, .variable, .attach]' <<<"$output")" \
    "[\"$CALLER\",\"$SERVICE\",\"web\",\"api\",5000,\"/health\",\"API_URL\",\"deploy\"]"

  run -0 --separate-stderr dokku interservice:list "$STRANGER" --format json
  assert_output "[]"
}

@test "every command has --help and refuses flags that it does not know" {
  local file command
  for file in "$TESTS"/../subcommands/*; do
    command="${file##*/}"
    [[ "$command" != default ]] || continue
    run -0 dokku "interservice:$command" --help
    assert_line --partial "Usage: dokku interservice:$command"
    run -2 dokku "interservice:$command" --no-such-flag
    run -2 dokku "interservice:$command" -x
  done
  run -2 dokku interservice:set --global drain 2 extra
}

@test "interservice, interservice:help and dokku help say what there is" {
  local bare
  bare="$(dokku interservice)"
  assert_equal "$(dokku interservice:help)" "$bare"
  [[ "$bare" == *"interservice:link <app> <service>"* ]]
  run -0 dokku help
  assert_output --partial interservice
  run -0 dokku interservice:help link
  assert_output --partial "--alias <name>"
}
