# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # read in suites; set by bats
# What kill.bats and fail.bats share, at their top: `load each-call`. On a stand-in of their own, whose programs
# count (tests/nth); a real Dokku resets PATH.
load helpers

# Calls that change something: Docker, other plugins, files, and (cat >, mkdir, rm) Dokku's properties. A call
# that only looks needs no death of its own: what is killed there leaves the state that the next change finds.
CHANGES='^docker (run|network (create|connect|disconnect|rm)) |^(dokku|mv|cp|rm|mkdir|rmdir) |^cat >|^plugn trigger (post-config-update|app-restart) '

setup_file() {
  unset INTERSERVICE_REAL_DOKKU INTERSERVICE_STANDIN
  dokku_up
  PATH="$("$TESTS/nth" --install "$INTERSERVICE_STANDIN" docker dokku plugn mv cp rm mkdir rmdir cat)"
  export PATH

  CALLER="$(new_app)" SERVICE="$(new_app)" DB="$(new_datastore redis)"
  export CALLER SERVICE DB
  deploy_app "$SERVICE" provider
  deploy_app "$CALLER" client
  dokku interservice:set --global drain 0
}

teardown_file() {
  dokku_down
}

setup() {
  STORE="$(dokku_lib)/data/interservice"
  COUNT="$INTERSERVICE_STANDIN/count" # where Dokku's user can write
  : >"$COUNT"
  chmod 666 "$COUNT"
}

# What a test that failed left behind does not fail the next one.
teardown() {
  local app
  bigger_disks
  unlink
  for app in "$CALLER" "$SERVICE"; do dokku docker-options:clear "$app" >/dev/null; done
}

# at_each_call kill|fail REGEX COMMAND...: for n = 1, 2, ...: `before`, which may set `command`; COMMAND,
# ended at its nth call; `after`. Until it has no nth call any more. A test in which this takes half a minute
# for each has `every=3`, to take every third only; with EVERY_CALL in the environment it is each all the same.
at_each_call() {
  local do="$1" what="$2" n step="${EVERY_CALL:+1}"
  local -a command=("${@:3}")
  for ((n = 1; n < 120; n += ${step:-${every:-1}})); do
    before
    : >"$COUNT"
    NTH_COUNT="$COUNT" NTH_WHAT="$what" NTH_AT="$n" NTH_DO="$do" run setsid --wait dokku "${command[@]}"
    if (($(wc -l <"$COUNT") < n)); then
      # it came to its end undisturbed
      assert_equal "$status" 0
      after
      ((n > 4))
      return
    fi
    echo "--- ended at call $n, $(sed -n "${n}p" "$COUNT" | cut -c 1-120), with status $status: $output"
    after
  done
  fail "it has a 120th call, too"
}

# synced: sync has nothing to say, and then nothing to do.
synced() {
  run -0 --separate-stderr dokku interservice:sync
  assert_equal "$stderr" ""
  run -0 --separate-stderr dokku interservice:sync --dry-run
  assert_output ""
}

# is_linked: to the service, entirely.
is_linked() {
  run -0 caller_get "$CALLER" "http://$SERVICE:5000/"
  assert_output "$(hostname_of_service)"
  run -0 dokku config:get "$CALLER" "${SERVICE^^}_URL"
  assert_output "http://$SERVICE:5000"
}

hostname_of_service() {
  docker container inspect --format '{{ .Config.Hostname }}' "$(<"$INTERSERVICE_STANDIN/home/$SERVICE/CONTAINER.web.1")"
}

# is_unlinked: without a trace.
is_unlinked() {
  run -1 caller_resolve "$CALLER" "$SERVICE"
  run -1 dokku config:get "$CALLER" "${SERVICE^^}_URL"
  assert_nothing_left "$CALLER" "$SERVICE"
}

is_wished() { [[ -e "$STORE/links/$CALLER/$SERVICE@web" ]]; }

link() { run -0 dokku interservice:link "$CALLER" "$SERVICE" --no-restart; }

unlink() { if is_wished; then run -0 dokku interservice:unlink "$CALLER" "$SERVICE" --no-restart; fi; }

# as_wished: whichever of the two it is.
as_wished() {
  synced
  if is_wished; then is_linked; else is_unlinked; fi
}

# is_attached SERVICE: its next container is created with its name.
is_attached() {
  run -0 dokku docker-options:list "$1" --process web --phase deploy
  assert_output "--network-alias $1"$'\n'"--network-alias $1.internal"
  run -0 dokku network:report "$1" --network-initial-network
  assert_output --partial "interservice.$1."
}

unlink_datastore() {
  if [[ -e "$STORE/links/$CALLER/redis:$DB" ]]; then run -0 dokku interservice:unlink "$CALLER" "redis:$DB" --no-restart; fi
}

datastore_as_wished() {
  synced
  if [[ -e "$STORE/links/$CALLER/redis:$DB" ]]; then
    run -0 caller_resolve "$CALLER" "dokku-redis-$DB"
    run -0 dokku docker-options:report "$CALLER" --docker-options-deploy
    assert_output ""
  else
    assert_nothing_left "$CALLER" "redis:$DB"
  fi
}

# new_container: the service has a new checked container, as when post-deploy is due, and OLD still serves.
new_container() {
  local file="$INTERSERVICE_STANDIN/home/$SERVICE/CONTAINER.web.1"
  OLD="$(<"$file")"
  docker run --detach --label "com.dokku.app-name=$SERVICE" --label com.dokku.container-type=deploy \
    --label com.dokku.process-type=web --label "com.dokku.stand-in=$INTERSERVICE_STANDIN" \
    "dokku/$SERVICE:latest" >"$BATS_TEST_TMPDIR/id"
  cat "$BATS_TEST_TMPDIR/id" >"$file"
}

# old_goes: and its generation with it.
old_goes() {
  docker rm --force "$OLD" >/dev/null
  synced
  assert_equal "$(generations "$SERVICE")" 1
}

# start_container APP: deployed, as far as Dokku and the plugin can tell.
start_container() {
  docker run --detach --init --label "com.dokku.app-name=$1" --label com.dokku.container-type=deploy \
    --label com.dokku.process-type=web --label "com.dokku.stand-in=$INTERSERVICE_STANDIN" \
    "dokku/$CALLER:latest" >"$BATS_TEST_TMPDIR/id"
  cat "$BATS_TEST_TMPDIR/id" >"$INTERSERVICE_STANDIN/home/$1/CONTAINER.web.1"
  run -0 dokku plugin:trigger post-deploy "$1" "" "" latest
}

app_is_there() { [[ -d "$INTERSERVICE_STANDIN/home/$1" ]]; }

# do_what_sync_says: of a rename that was cut short; where it says nothing, no link is in question, and the
# one of the two that is half there goes. Then APP is the one that stays and NEW the name that is free.
do_what_sync_says() {
  local gone
  run -0 --separate-stderr dokku interservice:sync
  gone="$NEW"
  if ! app_is_there "$APP"; then
    gone="$APP"
  elif app_is_there "$NEW"; then
    if [[ "$stderr" =~ :\ dokku\ apps:destroy\ ([a-z0-9-]+)\ --force ]]; then
      gone="${BASH_REMATCH[1]}"
    elif [[ -e "$STORE/apps/$NEW" ]]; then
      gone="$APP"
    fi
    run -0 dokku apps:destroy "$gone" --force
  fi
  if [[ "$gone" == "$APP" ]]; then APP="$NEW" NEW="$gone"; fi
  assert [ -d "$INTERSERVICE_STANDIN/home/$APP" ]
}

# variable_of APP NAME: as Dokku keeps it.
variable_of() {
  # shellcheck source=/dev/null
  (source "$(dokku_lib)/config/$1/ENV" && echo "${!2}")
}

# The app is called by two others, by one under its own name and attached at create, by the other under a
# name given by hand; and it calls two others.
renamed_app() {
  APP="$(new_app)" NEW="$(unique_name)" OTHER="$(new_app)"
  start_container "$APP"
  run -0 dokku interservice:set "$APP" clone-links true
  run -0 dokku interservice:link "$CALLER" "$APP" --alias given --env GIVEN --port 5000 --no-restart
  run -0 dokku interservice:link "$OTHER" "$APP" --attach create --env WHERE --port 5000 --no-restart
  run -0 dokku interservice:link "$APP" "$SERVICE" --no-restart
  run -0 dokku interservice:link "$APP" "redis:$DB" --no-restart
}

# renamed_app_is_linked: as APP, and nothing of NEW is left.
renamed_app_is_linked() {
  local container
  [[ -n "$(docker ps --quiet --filter "label=com.dokku.app-name=$APP")" ]] || start_container "$APP"
  container="$(<"$INTERSERVICE_STANDIN/home/$APP/CONTAINER.web.1")"
  synced
  run -0 caller_get "$CALLER" http://given:5000/
  assert_equal "$(variable_of "$CALLER" GIVEN) $(variable_of "$OTHER" WHERE)" "http://given:5000 http://$APP:5000"
  is_attached "$APP"
  run -0 docker exec "$container" client get "$(variable_of "$APP" "${SERVICE^^}_URL")"
  run -0 docker exec "$container" client resolve "dokku-redis-$DB"
  assert_equal "$(<"$(dokku_lib)/services/redis/$DB/LINKS")" "$APP"
  assert_equal "$(<"$(dokku_lib)/config/interservice/$APP/clone-links")" true
  assert_nothing_left "$NEW"
  assert [ ! -e "$STORE/renamed" ]
}

# adopt_at_each_call kill|fail REGEX
adopt_at_each_call() {
  local hand="$CALLER-hand"
  docker network create --label "com.dokku.stand-in=$INTERSERVICE_STANDIN" "$hand"
  before() {
    unlink
    dokku docker-options:add "$SERVICE" deploy "--net $hand"
    dokku docker-options:add "$SERVICE" deploy "--net-alias $SERVICE"
    dokku docker-options:add "$CALLER" deploy "--net $hand"
  }
  after() {
    if [[ "$do" == fail ]] && ((status != 0)); then
      assert_output --regexp "(dokku interservice:adopt $CALLER --apply --no-restart|docker network rm $hand)"
    elif ((status == 0)); then
      run ! docker network inspect "$hand"
    fi
    synced
    # doing it again does the rest
    run -0 dokku interservice:adopt --apply --no-restart
    is_linked
    assert_equal "$(dokku docker-options:report "$CALLER" --docker-options-deploy)$(dokku docker-options:report "$SERVICE" --docker-options-deploy)" ""
    # all but an empty network: killed before its end, it does not know any more whose that was
    docker network inspect "$hand" >/dev/null 2>&1 || docker network create --label "com.dokku.stand-in=$INTERSERVICE_STANDIN" "$hand"
  }
  at_each_call "$1" "$2" interservice:adopt "$CALLER" --apply --no-restart
  docker network rm "$hand"
  unlink
}

bigger_disks() {
  local directory
  while IFS= read -r directory; do umount "$directory"; done < <(cat "$BATS_TEST_TMPDIR/disks" 2>/dev/null)
  rm -f "$BATS_TEST_TMPDIR/disks"
}
