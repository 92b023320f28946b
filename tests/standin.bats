#!/usr/bin/env bats
# The stand-in for Dokku's core: that it fires what a real Dokku fires (tests/traces), and does to
# containers what the plugin relies on. It needs nothing of the plugin.

load helpers

setup_file() {
  [[ -z "$INTERSERVICE_REAL_DOKKU" ]] || skip "this is about the stand-in"
  "$TESTS/images/build" provider
  STANDIN="$(mktemp -d "${TMPDIR:-/tmp}/standin-XXXXXX")"
  export STANDIN PATH="$STANDIN/bin:$PATH"
  chmod 755 "$STANDIN"
  STANDIN_UPTIME=1 "$TESTS/dokku/install" "$STANDIN"
  install_spy
}

teardown_file() {
  [[ -z "$STANDIN" ]] || "$TESTS/dokku/remove" "$STANDIN"
}

setup() {
  APP="$(unique_name)" UNO="$(unique_name)" DUE="$(unique_name)"
  SPIED="$STANDIN/log/spied-$BATS_TEST_NUMBER"
  export SPIED
}

teardown() {
  destroy_apps "$APP" "$UNO" "$DUE"
}

# A community plugin between docker-options and network: each hook writes down how it was called,
# and fails for the app that is named in FAIL.
install_spy() {
  local spy="$STANDIN/spy" hook
  mkdir -p "$spy/subcommands"
  printf '[plugin]\ndescription = "a spy"\nversion = "1"\n[plugin.config]\n' >"$spy/plugin.toml"
  cat >"$spy/hook" <<'HOOK'
#!/usr/bin/env bash
set -eo pipefail
[[ -z "$SPIED" ]] || echo "${0##*/}" "$@" >>"$SPIED"
[[ "$FAIL" != "${0##*/}" ]] || exit 3
[[ -z "$SPIED" || "${0##*/}" != post-deploy ]] || docker container ls --all --format '{{ .Names }} {{ .State }}' \
  --filter "label=com.dokku.app-name=$1" | sort >"$SPIED.containers"
[[ -z "$SPIED" || "${0##*/}" != post-container-create ]] || docker container inspect "$2" \
  --format '{{ .State.Status }}{{ range $name, $_ := .NetworkSettings.Networks }} {{ $name }}{{ end }}' >>"$SPIED.created"
HOOK
  cat >"$spy/subcommands/tell" <<'TELL'
#!/usr/bin/env bash
echo "$# $*"
echo "quiet=$DOKKU_QUIET_OUTPUT force=$DOKKU_APPS_FORCE_DELETE app=$DOKKU_APP_NAME flags=$DOKKU_GLOBAL_FLAGS"
echo "uid=$(id -u) root=$DOKKU_ROOT lib=$DOKKU_LIB_ROOT cwd=$PWD"
exit "${EXIT:-0}"
TELL
  cat >"$spy/commands" <<'COMMANDS'
#!/usr/bin/env bash
[[ "$1" == help || "$1" == interspy:help ]] || exit "$DOKKU_NOT_IMPLEMENTED_EXIT"
echo "    interspy:tell <app>, Tell how it was called"
exit "${HELP_EXIT:-0}"
COMMANDS
  chmod +x "$spy/hook" "$spy/commands" "$spy/subcommands/tell"
  for hook in post-container-create post-deploy core-post-deploy install uninstall; do ln -s hook "$spy/$hook"; done
  git -C "$spy" -c init.defaultBranch=main init -q
  git -C "$spy" add .
  git -C "$spy" -c user.name=t -c user.email=t@localhost commit -q -m spy
  dokku plugin:install "file://$spy" --name interspy >/dev/null
}

# deploy IMAGE [APP]: quietly; its failure is the test's.
deploy() {
  deploy_app "${2:-$APP}" "$1" >"$BATS_TEST_TMPDIR/deploy" 2>&1 || {
    cat "$BATS_TEST_TMPDIR/deploy"
    return 1
  }
}

# image_with APP.JSON PROCFILE: the provider with these files; prints its tag.
image_with() {
  local tag
  tag="interservice-test/$APP:${EPOCHREALTIME/[.,]/}"
  printf 'FROM interservice-test/provider:1\nUSER root\nRUN echo %q >app.json && printf %q >Procfile\nUSER nobody\n' "$1" "$2" \
    | docker build -q -t "$tag" - >/dev/null 2>&1
  echo "$tag"
}

# fires EXPECTED COMMAND...: the command fires what tests/traces/EXPECTED says; names in ALIAS
# stand for those there. The command's status is left in $status.
fires() {
  local expected="$TESTS/traces/$1" trace="$STANDIN/log/trace"
  shift
  : >"$trace"
  chmod 666 "$trace"
  DOKKU_STANDIN_TRACE="$trace" run "$@"
  diff -u <(sed '/^#/d' "$expected") <(normalised "$trace")
}

# normalised TRACE: without what differs from run to run and what the expectations leave out.
normalised() {
  local name names=()
  for name in "${!ALIAS[@]}"; do names+=(-e "s#${name}#${ALIAS[$name]}#g"); done
  # Those that only ask, and those that tests/traces/README.md names.
  sed -E \
    -e '/^[a-z-]*-(get|get-[a-z-]+|list|export|detect|exists|type|status|is-deployed|is-enabled|urls|current-scale)( |$)/d' \
    -e '/^(builds-|certs-|post-certs-|ports-configure|nginx-)/d' \
    -e 's#interservice-test/[a-z0-9]+:[0-9]+#IMAGE#' \
    "${names[@]}" \
    -e 's#[0-9a-f]{64}#ID#g; s#[0-9a-f]{40}#SHA#g; s#/tmp/tmp\.[A-Za-z0-9]+#DIR#g; s#172\.[0-9.]+#IP#g' "$1"
}

# --- what a real Dokku fires ---

@test "an app's life fires what a real Dokku fires" {
  local -A ALIAS=(["$APP"]=one)
  local image id cron='{"cron": [{"command": "echo cron", "schedule": "0 0 1 1 *"}]}'
  image="$(image_with "$cron" 'web: provider\nworker: provider worker\n')"
  docker tag interservice-test/provider:1 "interservice-test/$APP:1"

  fires apps-create dokku apps:create "$APP"
  dokku checks:set "$APP" wait-to-retire 5
  fires deploy-first dokku git:from-image "$APP" "interservice-test/$APP:1"
  fires deploy-again dokku git:from-image "$APP" "$image"
  fires scale-up dokku ps:scale "$APP" web=3
  fires scale-down dokku ps:scale "$APP" web=1
  fires scale-another-type dokku ps:scale "$APP" worker=1
  fires restart dokku ps:restart "$APP"
  fires restart-one-type dokku ps:restart "$APP" worker
  fires rebuild dokku ps:rebuild "$APP"
  fires config-set dokku config:set "$APP" FOO=1
  fires config-set-no-restart dokku config:set --no-restart "$APP" FOO=2
  fires run dokku run "$APP" echo localhost
  assert_output localhost
  fires run-detached dokku run:detached "$APP" sleep 1
  id="$(dokku cron:list "$APP" --format json | jq -r '.[0].id')"
  fires cron-run dokku cron:run "$APP" "$id"
  assert_output cron
  fires stop dokku ps:stop "$APP"
  fires start-stopped dokku ps:start "$APP"
  fires start-running dokku ps:start "$APP"
  fires retire dokku ps:retire
}

@test "rename, clone, restore and destroy fire what a real Dokku fires" {
  local -A ALIAS=(["$APP"]=one ["$UNO"]=uno ["$DUE"]=due)
  dokku apps:create "$APP"
  deploy provider
  dokku ps:scale "$APP" worker=1

  fires apps-rename dokku apps:rename "$APP" "$UNO"
  fires apps-clone dokku apps:clone "$UNO" "$DUE"
  fires apps-destroy dokku apps:destroy --force "$DUE"
  docker stop -t 1 "$UNO.web.1" "$UNO.worker.1"
  fires restore dokku ps:restore "$UNO"
}

@test "tasks and a failing check fire what a real Dokku fires" {
  local -A ALIAS=(["$APP"]=tk)
  local tasks failing
  tasks="$(image_with '{"scripts": {"dokku": {"predeploy": "echo predeploy", "postdeploy": "echo postdeploy"}}}' \
    'web: provider\nworker: provider worker\nrelease: echo release\n')"
  failing="$(image_with '{"healthchecks": {"web": [{"path": "/fail", "attempts": 1, "wait": 1}]}}' 'web: provider\n')"
  dokku apps:create "$APP"
  dokku checks:set "$APP" wait-to-retire 3

  fires deploy-with-tasks dokku git:from-image "$APP" "$tasks"
  assert_success
  fires deploy-failing dokku git:from-image "$APP" "$failing"
  assert_failure 1
}

@test "a datastore's life fires what a real Dokku fires" {
  local -A ALIAS=(["$APP"]=one)
  local db
  db="$(unique_name)"
  ALIAS["$db"]=db
  dokku apps:create "$APP"
  dokku checks:set "$APP" wait-to-retire 5
  deploy provider
  dokku ps:scale "$APP" worker=1

  fires postgres-create dokku postgres:create "$db"
  fires postgres-link dokku postgres:link "$db" "$APP"
  fires postgres-restart dokku postgres:restart "$db"
  fires postgres-stop-start dokku postgres:stop "$db"
  fires postgres-stop-start dokku postgres:start "$db"
  fires postgres-unlink dokku postgres:unlink "$db" "$APP"
  fires network-create dokku network:create "$APP-net"
  fires network-destroy dokku network:destroy --force "$APP-net"
  fires plugin-install dokku plugin:install
  dokku postgres:destroy "$db" --force
}

# --- the command line ---

@test "a subcommand gets its own name first, flags in place, and Dokku's environment" {
  cd /
  run -7 env EXIT=7 dokku --quiet --app web interspy:tell db --force --no-restart
  assert_line "4 interspy:tell db --force --no-restart"
  assert_line "quiet=1 force=1 app=web flags=--quiet --app --force --no-restart"
  assert_line "uid=$(stat -c %u "$STANDIN/home") root=$STANDIN/home lib=$STANDIN/lib cwd=/"
}

@test "a core command gets the app of --app" {
  dokku apps:create "$APP"
  run -0 dokku --app "$APP" config:set --no-restart FOO=bar
  run -0 dokku config:get "$APP" FOO
  assert_output bar
}

@test "a word that nobody knows is not a command" {
  run -1 dokku interspy:nothing
  assert_output --partial "\`interspy:nothing\` is not a dokku command."
  run -1 dokku interspy:
  run -0 dokku interspy:help
}

@test "help lists what plugins say, and fails when one of them does" {
  run -0 dokku help --all
  assert_line --regexp '^ *interspy:tell <app> +Tell how it was called$'
  assert_line --regexp '^ *docker-options:add '
  HELP_EXIT=3 run -1 dokku help
}

@test "no app is a mistake, an unknown app exits with 20" {
  run -1 dokku config:show
  assert_output --partial "Please specify an app to run the command on"
  run -20 dokku config:show "$APP"
  assert_output --partial "App $APP does not exist"
  run -1 dokku apps:destroy "$(dokku apps:create "$APP" >/dev/null && echo "$APP")" <<<"another"
  run -0 dokku apps:exists "$APP"
}

@test "a plugin can be disabled, enabled, updated and uninstalled" {
  dokku plugin:disable interspy
  run -1 dokku interspy:tell
  dokku plugin:enable interspy
  run -0 dokku interspy:tell
  run -0 dokku plugin:installed interspy
  dokku plugin:update interspy
  rm -f "$SPIED"
  dokku plugin:uninstall interspy
  assert_equal "$(<"$SPIED")" "uninstall interspy"
  run -1 dokku plugin:installed interspy
  dokku plugin:install "file://$STANDIN/spy" --name interspy
}

@test "installing any plugin opens the ports of apps that said nothing about it" {
  dokku apps:create "$APP"
  dokku apps:create "$UNO"
  dokku network:set "$UNO" bind-all-interfaces false
  dokku plugin:install
  run -0 dokku network:report "$APP" --network-bind-all-interfaces
  assert_output true
  run -0 dokku network:report "$UNO" --network-bind-all-interfaces
  assert_output false
  rm "$SPIED" # written by root, whose the hook install was
  deploy provider
  run -0 docker container port "$APP.web.1" 5000/tcp
  assert_output --partial "0.0.0.0:"
}

# --- configuration ---

@test "config keeps any value, and says which keys changed" {
  dokku apps:create "$APP"
  dokku config:set --no-restart "$APP" "ODD=it's \"\$HOME\" \\ 
two lines" EMPTY=
  run -0 dokku config:get "$APP" ODD
  assert_output "it's \"\$HOME\" \\ 
two lines"
  run -0 dokku config:get "$APP" EMPTY
  assert_output ""
  dokku config:unset --no-restart "$APP" ODD
  run -1 dokku config:get "$APP" ODD
  run -0 dokku config:keys "$APP"
  assert_output EMPTY
}

@test "docker-options are split at flags, sorted, kept twice and removed at once" {
  dokku apps:create "$APP"
  dokku docker-options:add "$APP" deploy,run "-v /tmp:/tmp --label a=\$(id)"
  dokku docker-options:add "$APP" deploy "-v /tmp:/tmp"
  run -0 dokku docker-options:list "$APP" --phase deploy
  assert_output "--label 'a=\$(id)'
-v /tmp:/tmp
-v /tmp:/tmp"
  dokku docker-options:remove "$APP" deploy "-v /tmp:/tmp"
  run -0 dokku docker-options:report "$APP" --docker-options-deploy
  assert_output "--label 'a=\$(id)'"
  dokku docker-options:add --process worker "$APP" deploy "--cpus 1"
  run -0 dokku docker-options:report "$APP" --format json
  assert_equal "$(jq -r '."deploy.worker"' <<<"$output")" "--cpus 1"
  run -1 dokku docker-options:add --process web "$APP" build "--cpus 1"
  run -1 dokku docker-options:add "$APP" start "--cpus 1"
}

@test "properties are files that only Dokku's user reads" {
  run_functions() {
    # shellcheck source=/dev/null
    (source "$STANDIN/settings" && source "$STANDIN/core/environment" \
      && source "$PLUGIN_CORE_AVAILABLE_PATH/common/functions" && "$@")
  }
  run_functions fn-plugin-property-write interspy "$APP" key value
  assert_equal "$(stat -c '%a %u' "$STANDIN/lib/config/interspy/$APP/key")" "600 $(stat -c %u "$STANDIN/home")"
  run_functions fn-plugin-property-list-add interspy "$APP" list one
  run_functions fn-plugin-property-list-add interspy "$APP" list three
  run_functions fn-plugin-property-list-add interspy "$APP" list two 1
  run -0 run_functions fn-plugin-property-list-get interspy "$APP" list
  assert_output $'one\ntwo\nthree'
  run_functions fn-plugin-property-list-remove interspy "$APP" list two
  run -1 run_functions fn-plugin-property-list-remove interspy "$APP" list two
  run -0 run_functions fn-plugin-property-get interspy "$APP" nothing default
  assert_output default
  run_functions fn-plugin-property-destroy interspy _all_
  assert [ ! -e "$STANDIN/lib/config/interspy" ]
}

# --- deploys ---

@test "a container is named, labelled and set up as Dokku does it" {
  dokku apps:create "$APP"
  dokku config:set --no-restart "$APP" GREETING="hello there"
  deploy provider
  run -0 docker container inspect "$APP.web.1"
  local container="$output"
  assert_equal "$(jq -r '.[0].Config.Labels | to_entries[] | select(.key | test("^com.dokku.(app|container|process|dyno)|^dokku$"))
    | "\(.key)=\(.value)"' <<<"$container")" "com.dokku.app-name=$APP
com.dokku.container-type=deploy
com.dokku.dyno=web.1
com.dokku.process-type=web
dokku="
  assert_equal "$(jq -r '.[0].Config.Env[] | select(test("^(DYNO|PORT|GREETING)="))' <<<"$container" | sort)" \
    $'DYNO=web.1\nGREETING=hello there\nPORT=5000'
  assert_equal "$(<"$STANDIN/home/$APP/CONTAINER.web.1")" "$(jq -r '.[0].Id' <<<"$container")"
  assert_equal "$(<"$STANDIN/home/$APP/IP.web.1"):$(<"$STANDIN/home/$APP/PORT.web.1")" \
    "$(jq -r '.[0].NetworkSettings.IPAddress' <<<"$container"):5000"
  run -0 http_get "$APP"
  assert_output --partial "200 "
}

@test "in post-deploy the new serve and the old live; after it the old hear SIGTERM" {
  local old
  dokku apps:create "$APP"
  dokku checks:set "$APP" wait-to-retire 600
  deploy provider
  old="$(app_container "$APP")"
  dokku ps:rebuild "$APP"
  run -0 cat "$SPIED.containers"
  assert_line "$APP.web.1 running"
  assert_line --regexp "^$APP\.web\.1\.[0-9]+ running$"
  wait_until 10 container_is "$old" exited
  dokku ps:retire # not due yet
  run -0 docker container inspect --format '{{ .State.Status }}' "$old"
  assert_output exited
}

@test "what a scale leaves over keeps its name through post-deploy, and is retired" {
  dokku apps:create "$APP"
  dokku checks:set "$APP" wait-to-retire 1
  deploy provider
  dokku ps:scale "$APP" web=2
  dokku ps:scale "$APP" web=1
  run -0 cat "$SPIED.containers"
  assert_line "$APP.web.2 running"
  assert [ ! -e "$STANDIN/home/$APP/CONTAINER.web.2" ]
  wait_until 10 container_is "$APP.web.2" exited
  wait_until 10 retired "$APP.web.2"
}

@test "a failing check leaves the old container in service" {
  local old
  dokku apps:create "$APP"
  deploy provider
  old="$(app_container "$APP")"
  run -1 deploy_app "$APP" "$(image_with '{"healthchecks": {"web": [{"path": "/fail", "attempts": 1, "wait": 1}]}}' 'web: provider\n')"
  assert_output --partial "Could not start due to 1 failed checks (web.1)"
  assert_equal "$(app_container "$APP")" "$old"
  run -0 http_get "$APP"
  assert_output --partial "${old:0:12}"
}

@test "a failing post-container-create fails the deploy, and leaves a container that nobody removes" {
  local old
  dokku apps:create "$APP"
  deploy provider
  old="$(app_container "$APP")"
  run -3 env FAIL=post-container-create dokku run "$APP" true
  run env FAIL=post-container-create dokku ps:rebuild "$APP"
  assert_failure
  assert_equal "$(app_container "$APP")" "$old"
  dokku ps:retire
  dokku --force apps:destroy "$APP"
  run -0 docker container ls --all --filter "label=com.dokku.app-name=$APP" --filter status=created --format '{{ .Names }}'
  assert_output --regexp "$APP\.web\.1\.upcoming-[0-9]+"
}

@test "a failing post-deploy comes after traffic moved, and spares the old containers" {
  local old
  dokku apps:create "$APP"
  deploy provider
  old="$(app_container "$APP")"
  run -3 env FAIL=post-deploy dokku ps:restart "$APP"
  run -0 http_get "$APP"
  refute_output --partial "${old:0:12}"
  run -0 docker container inspect --format '{{ .State.Status }}' "$old"
  assert_output running
}

@test "our hook runs before core's network, and what it adds to a network is there from the start" {
  dokku apps:create "$APP"
  dokku network:create "$APP"
  dokku network:set "$APP" attach-post-create "$APP"
  deploy provider
  assert_equal "$(<"$SPIED.created")" "created bridge"
  run -0 container_networks "$APP.web.1"
  assert_line --regexp "^$APP: .*$APP\.web"
  run -1 dokku network:set "$APP" attach-post-deploy "$APP"
  dokku --force apps:destroy "$APP"
  docker container rm "$APP.web.1" 2>/dev/null || true
  dokku --force network:destroy "$APP"
}

@test "with an initial network nginx finds the app there; two of the same fail the deploy" {
  dokku apps:create "$APP"
  dokku network:create "$APP"
  dokku network:set "$APP" initial-network "$APP"
  deploy provider
  run -0 http_get "$APP"
  assert_output --partial "200 "
  dokku docker-options:add "$APP" deploy "--network $APP"
  run dokku ps:rebuild "$APP"
  assert_failure
  run -0 http_get "$APP"
  assert_output --partial "200 "
  dokku --force apps:destroy "$APP"
  dokku --force network:destroy "$APP"
}

@test "the deploy lock keeps a rebuild out; a deploy that is killed lets go of it" {
  dokku apps:create "$APP"
  deploy provider
  mkdir -p "$STANDIN/lib/data/apps/$APP"
  exec 9>>"$STANDIN/lib/data/apps/$APP/.deploy.lock"
  flock 9
  run -1 dokku ps:rebuild "$APP"
  assert_output --partial "deploy lock"
  exec 9>&-
  dokku config:set --no-restart "$APP" BOOT=30
  in_background "$BATS_TEST_TMPDIR/killed" setsid dokku ps:rebuild "$APP"
  wait_until 20 upcoming_runs
  kill -KILL -- "-$(pgrep -o -f "dokku ps:rebuild $APP")"
  dokku config:set --no-restart "$APP" BOOT=0
  wait_until 10 dokku ps:rebuild "$APP"
  upcoming_runs
}

@test "on k3s post-deploy fires without containers, on null it never does" {
  dokku apps:create "$APP"
  dokku scheduler:set "$APP" selected k3s
  deploy provider
  assert_equal "$(grep -c '^post-deploy' "$SPIED")" 1
  run -0 docker container ls --all --quiet --filter "label=com.dokku.app-name=$APP"
  assert_output ""
  rm "$SPIED"
  dokku scheduler:set "$APP" selected null
  deploy provider
  refute grep -q '^post-deploy' "$SPIED"
}

@test "an image that is retired takes the tag it was deployed from along" {
  local first="interservice-test/$APP:1"
  docker tag interservice-test/provider:1 "$first"
  dokku apps:create "$APP"
  dokku checks:set "$APP" wait-to-retire 1
  dokku git:from-image "$APP" "$first"
  run -0 dokku git:from-image "$APP" "$first"
  assert_output --partial "No changes detected"
  deploy "$(image_with '{}' 'web: provider\n')"
  wait_until 15 image_retired "$first"
}

@test "two stand-ins live side by side, and remove takes away its own" {
  local other="$STANDIN-other" container
  docker container create --name "$UNO" interservice-test/provider:1
  "$TESTS/dokku/install" "$other"
  "$other/bin/dokku" apps:create "$DUE"
  "$other/bin/dokku" network:create "$DUE-net"
  docker image tag interservice-test/provider:1 "interservice-test/$DUE:1"
  "$other/bin/dokku" git:from-image "$DUE" "interservice-test/$DUE:1"
  "$other/bin/dokku" postgres:create "$DUE"
  run -20 dokku apps:exists "$DUE"
  "$TESTS/dokku/remove" "$other"
  assert [ ! -e "$other" ]
  run -0 docker container ls --all --quiet --filter "label=com.dokku.stand-in=$other"
  assert_output ""
  run -1 docker network inspect "$DUE-net"
  run -1 docker image inspect "dokku/$DUE:latest"
  docker container rm "$UNO"
}

# --- what the tests wait for ---

container_is() { [[ "$(docker container inspect --format '{{ .State.Status }}' "$1")" == "$2" ]]; }
upcoming_runs() { docker container ls --filter "name=$APP.web.1.upcoming" --format '{{ .Names }}' | grep -q .; }

# retired CONTAINER, image_retired TAG: gone after a tick of ps:retire.
retired() { dokku ps:retire && ! docker container inspect "$1"; }
image_retired() { dokku ps:retire && ! docker image inspect "$1"; }
