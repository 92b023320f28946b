#!/usr/bin/env bats
# Nothing stays half done. The plugin is killed (kill -9, with all its children) at each call in turn
# with which it changes something, and each of its calls of docker fails once: after that `sync` makes
# the links true, or the state is the one before. A full disk changes nothing.
#
# On a stand-in of its own, whose programs count (tests/nth); a real Dokku resets PATH.
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
# ended at its nth call; `after`. Until it has no nth call any more.
at_each_call() {
  local do="$1" what="$2" n
  local -a command=("${@:3}")
  for ((n = 1; n < 120; n++)); do
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
  # shellcheck disable=SC2154 # bats sets it
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

# is_honest: a command that could not do all of it says so, and how to go on; one that says nothing has done it.
is_honest() {
  if ((status != 0)); then
    assert_output --partial "dokku interservice:"
  else
    run -0 --separate-stderr dokku interservice:sync --dry-run
    assert_output ""
  fi
}

# as_wished: whichever of the two it is.
as_wished() {
  synced
  if is_wished; then is_linked; else is_unlinked; fi
}

@test "link, killed at each step" {
  before() { unlink; }
  after() { as_wished; }
  at_each_call kill "$CHANGES" interservice:link "$CALLER" "$SERVICE" --no-restart
  is_linked
  unlink
}

@test "unlink, killed at each step" {
  before() { is_wished || link; }
  after() { as_wished; }
  at_each_call kill "$CHANGES" interservice:unlink "$CALLER" "$SERVICE" --no-restart
  is_unlinked
}

@test "link --attach create, killed at each step, and its unlink" {
  local before
  before="$(snapshot "$SERVICE")"
  before() { unlink; }
  after() {
    synced
    if is_wished; then is_attached "$SERVICE"; else assert_equal "$(snapshot "$SERVICE")" "$before"; fi
  }
  at_each_call kill "$CHANGES" interservice:link "$CALLER" "$SERVICE" --attach create --no-restart

  before() { is_wished || run -0 dokku interservice:link "$CALLER" "$SERVICE" --attach create --no-restart; }
  at_each_call kill "$CHANGES" interservice:unlink "$CALLER" "$SERVICE" --no-restart
  assert_equal "$(snapshot "$SERVICE")" "$before"
}

# is_attached SERVICE: its next container is created with its name.
is_attached() {
  run -0 dokku docker-options:list "$1" --process web --phase deploy
  assert_output "--network-alias $1"$'\n'"--network-alias $1.internal"
  run -0 dokku network:report "$1" --network-initial-network
  assert_output --partial "interservice.$1."
}

@test "a link to a datastore, killed at each step, and its unlink" {
  local before
  before="$(snapshot "$CALLER" "redis:$DB")"
  before() { unlink_datastore; }
  after() { datastore_as_wished; }
  at_each_call kill "$CHANGES" interservice:link "$CALLER" "redis:$DB" --no-restart

  before() {
    [[ -e "$STORE/links/$CALLER/redis:$DB" ]] || run -0 dokku interservice:link "$CALLER" "redis:$DB" --no-restart
  }
  at_each_call kill "$CHANGES" interservice:unlink "$CALLER" "redis:$DB" --no-restart
  assert_equal "$(snapshot "$CALLER" "redis:$DB")" "$before"
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

# generations: the service's networks.
generations() { docker network ls --quiet --filter "label=com.dokku.interservice.service=$SERVICE" | wc -l; }

# old_goes: and its generation with it.
old_goes() {
  docker rm --force "$OLD" >/dev/null
  synced
  assert_equal "$(generations)" 1
}

@test "post-deploy, killed at each step" {
  link
  before() { new_container; }
  after() {
    run -0 dokku interservice:sync
    is_linked
    old_goes
  }
  at_each_call kill "$CHANGES" plugin:trigger post-deploy "$SERVICE" "" "" latest
  unlink
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

@test "apps:rename, killed at each step, and then what sync says" {
  renamed_app
  before() { command=(apps:rename --skip-deploy "$APP" "$NEW"); }
  after() {
    do_what_sync_says
    renamed_app_is_linked
  }
  at_each_call kill "$CHANGES"
  destroy_apps "$APP" "$OTHER"
}

@test "apps:rename, each call of docker with which something changes failing once" {
  renamed_app
  before() { command=(apps:rename --skip-deploy "$APP" "$NEW"); }
  after() {
    # nobody's rename fails when no link is lost by it
    assert_equal "$status" 0
    if [[ "$output" == *"failed on purpose"* ]]; then assert_output --partial "dokku interservice:sync"; fi
    do_what_sync_says
    renamed_app_is_linked
  }
  at_each_call fail '^docker network (create|connect|disconnect|rm) '
  destroy_apps "$APP" "$OTHER"
}

@test "adopt, killed at each step, and each call of docker failing once" {
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
  at_each_call kill "$CHANGES" interservice:adopt "$CALLER" --apply --no-restart
  at_each_call fail '^docker ' interservice:adopt "$CALLER" --apply --no-restart
  docker network rm "$hand"
  unlink
}

@test "link, unlink and post-deploy, each call of docker failing once" {
  before() { unlink; }
  after() {
    is_honest
    as_wished
  }
  at_each_call fail '^docker ' interservice:link "$CALLER" "$SERVICE" --no-restart

  before() { is_wished || link; }
  at_each_call fail '^docker ' interservice:unlink "$CALLER" "$SERVICE" --no-restart

  link
  before() { new_container; }
  after() {
    # nobody's deploy fails
    assert_equal "$status" 0
    run -0 dokku interservice:sync
    is_linked
    old_goes
  }
  at_each_call fail '^docker ' plugin:trigger post-deploy "$SERVICE" "" "" latest
  unlink
}

# small_disk DIRECTORY: it is on a disk of its own from now on. fill_disk leaves no room there, make_room
# some; bigger_disks undoes all of them, with all that was written there meanwhile.
small_disk() {
  local kept="$BATS_TEST_TMPDIR/kept" owner
  [[ "$EUID" == 0 ]] || skip "only root can mount a small disk"
  mkdir -p "$1"
  chown --reference "$STORE" "$1"
  owner="$(stat --format uid=%u,gid=%g "$STORE")"
  rm -rf "$kept"
  cp -a "$1" "$kept"
  mount -t tmpfs -o "size=32k,mode=755,$owner" tmpfs "$1"
  cp -a "$kept/." "$1"
  echo "$1" >>"$BATS_TEST_TMPDIR/disks"
}

fill_disk() {
  dd if=/dev/zero of="$1/.filler" bs=1k 2>/dev/null || true
  run ! dd if=/dev/zero of="$1/.more" bs=1k count=1
  rm -f "$1/.more"
}

make_room() { rm "$1/.filler"; }

bigger_disks() {
  local directory
  while IFS= read -r directory; do umount "$directory"; done < <(cat "$BATS_TEST_TMPDIR/disks" 2>/dev/null)
  rm -f "$BATS_TEST_TMPDIR/disks"
}

@test "on a full disk nothing is half done, and what is linked stays linked" {
  small_disk "$STORE"
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --alias first --no-restart
  fill_disk "$STORE"

  run ! dokku interservice:link "$CALLER" "redis:$DB" --no-restart
  assert_output --partial "is the disk full?"
  assert_nothing_left "redis:$DB"
  run -1 dokku config:get "$CALLER" REDIS_URL
  run -0 caller_get "$CALLER" http://first:5000/

  # a deploy of the service needs no room
  run -0 dokku ps:restart "$SERVICE"
  refute_output --partial "could not finish"
  run -0 caller_get "$CALLER" http://first:5000/
  assert_output "$(hostname_of_service)"

  # a rename that the links cannot follow does not happen, and its service keeps serving
  run ! dokku apps:rename "$SERVICE" "$SERVICE-new"
  assert_output --partial "is the disk full?"
  assert_output --partial "dokku apps:destroy $SERVICE-new --force && dokku apps:rename $SERVICE $SERVICE-new"
  run -0 dokku apps:destroy "$SERVICE-new" --force
  run -0 caller_get "$CALLER" http://first:5000/
  assert_output "$(hostname_of_service)"

  run -0 dokku interservice:unlink "$CALLER" "$SERVICE" --no-restart
  assert_nothing_left "$SERVICE"
  bigger_disks
}

@test "link --attach create and a link to a datastore, each call of docker failing once" {
  before() { unlink; }
  after() {
    is_honest
    synced
    if is_wished; then is_attached "$SERVICE"; else assert_nothing_left "$SERVICE"; fi
  }
  at_each_call fail '^docker ' interservice:link "$CALLER" "$SERVICE" --attach create --no-restart
  unlink

  before() { unlink_datastore; }
  after() {
    is_honest
    datastore_as_wished
  }
  at_each_call fail '^docker ' interservice:link "$CALLER" "redis:$DB" --no-restart
  unlink_datastore
}

@test "when Dokku has no room for the caller's variable, link and unlink say so and can be finished" {
  local config
  config="$(dokku_lib)/config/$CALLER"
  small_disk "$config"
  fill_disk "$config"
  run ! dokku interservice:link "$CALLER" "$SERVICE" --no-restart
  assert_output --partial "No space left"
  assert_output --partial "dokku interservice:sync $CALLER"
  make_room "$config"
  as_wished
  is_linked

  fill_disk "$config"
  run ! dokku interservice:unlink "$CALLER" "$SERVICE" --no-restart
  assert_output --partial "No space left"
  assert_output --partial "dokku interservice:unlink $CALLER $SERVICE"
  is_linked
  make_room "$config"
  as_wished
  unlink
  is_unlinked
  bigger_disks
}

@test "when Dokku has no room for properties, link --attach create and unlink say so and can be finished" {
  local before plugin directory
  before="$(snapshot "$SERVICE")"
  for plugin in network docker-options; do
    directory="$(dokku_lib)/config/$plugin/$SERVICE"
    small_disk "$directory"
    fill_disk "$directory"
    run ! dokku interservice:link "$CALLER" "$SERVICE" --attach create --no-restart
    assert_output --partial "No space left"
    assert_output --partial "dokku interservice:sync $CALLER"
    make_room "$directory"
    synced
    is_attached "$SERVICE"

    # to take away needs no room
    fill_disk "$directory"
    run -0 dokku interservice:unlink "$CALLER" "$SERVICE" --no-restart
    make_room "$directory"
    synced
    assert_equal "$(snapshot "$SERVICE")" "$before"
    bigger_disks
  done
}

@test "a lock whose holder was killed blocks nobody; a living holder is waited for, with a limit" {
  local pid
  setsid flock "$STORE/lock" sleep 60 </dev/null >/dev/null 2>&1 3>&- &
  pid=$!
  wait_until 5 eval "! flock --nonblock '$STORE/lock' true"
  INTERSERVICE_LOCK_SECONDS=1 run -1 dokku interservice:link "$CALLER" "$SERVICE" --no-restart
  assert_output --partial "Another interservice command is at work"
  assert_output --partial "Gave up after 1 s"
  is_unlinked

  kill -KILL -- "-$pid"
  link
  is_linked
  unlink
}

# calls COMMAND...: how often it calls docker.
calls() {
  : >"$COUNT"
  NTH_COUNT="$COUNT" NTH_WHAT='^docker ' NTH_AT=0 dokku "$@" >/dev/null
  echo "$1: $(wc -l <"$COUNT")"
}

# all_calls: of what concerns the two apps.
all_calls() {
  calls interservice:link "$CALLER" "$SERVICE" --no-restart
  calls interservice:list
  calls interservice:sync "$CALLER"
  calls plugin:trigger post-deploy "$SERVICE" "" "" latest
  calls plugin:trigger post-container-create app "$(app_container "$CALLER")" "$CALLER" deploy web
  calls interservice:unlink "$CALLER" "$SERVICE" --no-restart
}

@test "calls of docker do not grow with the links of others" {
  local number few
  few="$(all_calls)"
  for number in {1..40}; do
    mkdir -p "$STORE/links/other$number" "$STORE/apps"
    printf 'alias=alias\nport=80\npath=\nenv=\nattach=deploy\n' >"$STORE/links/other$number/service$number@web"
    touch "$STORE/apps/other$number" "$STORE/apps/service$number"
  done
  chown -R --reference "$STORE" "$STORE"
  assert_equal "$(all_calls)" "$few"
  rm -r "$STORE/links" "$STORE/apps"
}

@test "status, each call of docker failing once, cuts nobody off" {
  run -0 dokku interservice:link "$CALLER" "$SERVICE"
  before() { :; }
  after() { refute_output --partial "network disconnect"; }
  at_each_call fail '^docker ' interservice:status
  # once is not yet a fault
  : >"$COUNT"
  NTH_COUNT="$COUNT" NTH_WHAT='^docker inspect ' NTH_AT=1 NTH_DO=fail run -0 dokku interservice:status
  unlink
}

# The last one: it takes everything away.
@test "an uninstall in which docker fails is finished by the tick" {
  link
  NTH_COUNT="$COUNT" NTH_WHAT='^docker network rm ' NTH_AT=1 NTH_DO=fail run ! dokku plugin:uninstall interservice
  assert_output --partial "failed on purpose"
  run -0 dokku ps:retire
  assert_nothing_left "$SERVICE"
  run -0 dokku plugin:uninstall interservice
}
