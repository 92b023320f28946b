#!/usr/bin/env bats
# Nothing stays half done. The plugin is killed (kill -9, with all its children) at each call in turn
# with which it changes something, and each of its calls of docker fails once: after that `sync` makes
# the links true, or the state is the one before. A full disk changes nothing.
#
# On a stand-in of its own, whose programs count (tests/nth); a real Dokku resets PATH.
load helpers

# Calls that change something; what is killed between two of them leaves the state that the later one finds.
CHANGES='^docker (run|network (create|connect|disconnect|rm))|^dokku |^mv |^rm |^plugn trigger (post-config-update|app-restart)'

setup_file() {
  unset INTERSERVICE_REAL_DOKKU INTERSERVICE_STANDIN
  dokku_up
  PATH="$("$TESTS/nth" --install "$INTERSERVICE_STANDIN" docker dokku plugn mv rm)"
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
  ! mountpoint --quiet "$STORE" || umount "$STORE"
  unlink
  for app in "$CALLER" "$SERVICE"; do dokku docker-options:clear "$app" >/dev/null; done
}

# at_each_call kill|fail REGEX COMMAND...: for n = 1, 2, ...: `before`; COMMAND, ended at its nth call;
# `after`. Until it has no nth call any more.
at_each_call() {
  local do="$1" what="$2" n
  shift 2
  for ((n = 1; n < 60; n++)); do
    before
    : >"$COUNT"
    NTH_COUNT="$COUNT" NTH_WHAT="$what" NTH_AT="$n" NTH_DO="$do" run setsid --wait dokku "$@"
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
  fail "it has a 60th call, too"
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
    if is_wished; then is_attached; else assert_equal "$(snapshot "$SERVICE")" "$before"; fi
  }
  at_each_call kill '^dokku |^docker network (create|connect|disconnect|rm) ' interservice:link "$CALLER" "$SERVICE" --attach create --no-restart

  before() { is_wished || run -0 dokku interservice:link "$CALLER" "$SERVICE" --attach create --no-restart; }
  at_each_call kill '^dokku |^docker network (create|connect|disconnect|rm) ' interservice:unlink "$CALLER" "$SERVICE" --no-restart
  assert_equal "$(snapshot "$SERVICE")" "$before"
}

# is_attached: the next container of the service is created with its name.
is_attached() {
  run -0 dokku docker-options:list "$SERVICE" --process web --phase deploy
  assert_output "--network-alias $SERVICE"$'\n'"--network-alias $SERVICE.internal"
  run -0 dokku network:report "$SERVICE" --network-initial-network
  assert_output --partial "interservice.$SERVICE."
}

@test "a link to a datastore, killed at each step, and its unlink" {
  local before
  before="$(snapshot "$CALLER" "redis:$DB")"
  before() {
    if [[ -e "$STORE/links/$CALLER/redis:$DB" ]]; then run -0 dokku interservice:unlink "$CALLER" "redis:$DB" --no-restart; fi
  }
  after() {
    synced
    if [[ -e "$STORE/links/$CALLER/redis:$DB" ]]; then
      run -0 caller_resolve "$CALLER" "dokku-redis-$DB"
      run -0 dokku docker-options:report "$CALLER" --docker-options-deploy
      assert_output ""
    else
      assert_nothing_left "$CALLER" "redis:$DB"
    fi
  }
  at_each_call kill "$CHANGES" interservice:link "$CALLER" "redis:$DB" --no-restart

  before() {
    [[ -e "$STORE/links/$CALLER/redis:$DB" ]] || run -0 dokku interservice:link "$CALLER" "redis:$DB" --no-restart
  }
  at_each_call kill "$CHANGES" interservice:unlink "$CALLER" "redis:$DB" --no-restart
  assert_equal "$(snapshot "$CALLER" "redis:$DB")" "$before"
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

@test "rename, killed at each step" {
  local new="$SERVICE-new"
  link
  run -0 dokku interservice:link "$SERVICE" "$CALLER" --no-restart
  before() { dokku apps:create "$new" >/dev/null; }
  # whoever was half renamed goes; the old one has lost nothing
  after() {
    run -0 dokku interservice:sync
    is_linked_as "$new"
    # what Dokku has told the new app of the old one's containers, it would take along
    rm -f "$INTERSERVICE_STANDIN/home/$new"/CONTAINER.*
    run -0 dokku --force apps:destroy "$new"
    synced
    is_linked
    assert_nothing_left "$new"
  }
  at_each_call kill "$CHANGES" plugin:trigger post-app-rename-setup "$SERVICE" "$new"
  run -0 dokku interservice:unlink "$SERVICE" "$CALLER" --no-restart
  unlink
}

# is_linked_as NEW: the old service is reached under its name, wherever the variable points meanwhile.
is_linked_as() {
  run -0 caller_get "$CALLER" "http://$SERVICE:5000/"
  run -0 dokku config:get "$CALLER" "${SERVICE^^}_URL"
  assert_output --regexp "^http://($SERVICE|$1):5000$"
}

@test "adopt, killed at each step" {
  local hand="$CALLER-hand"
  docker network create --label "com.dokku.stand-in=$INTERSERVICE_STANDIN" "$hand"
  before() {
    unlink
    dokku docker-options:add "$SERVICE" deploy "--net $hand"
    dokku docker-options:add "$SERVICE" deploy "--net-alias $SERVICE"
    dokku docker-options:add "$CALLER" deploy "--net $hand"
  }
  after() {
    synced
    # doing it again does the rest
    run -0 dokku interservice:adopt --apply --no-restart
    is_linked
    assert_equal "$(dokku docker-options:report "$CALLER" --docker-options-deploy)$(dokku docker-options:report "$SERVICE" --docker-options-deploy)" ""
    # all but an empty network: killed before its end, it does not know any more whose that was
    docker network inspect "$hand" >/dev/null 2>&1 || docker network create --label "com.dokku.stand-in=$INTERSERVICE_STANDIN" "$hand"
  }
  at_each_call kill "$CHANGES" interservice:adopt "$CALLER" --apply --no-restart
  docker network rm "$hand"
  unlink
}

@test "link, unlink and post-deploy, each call of docker failing once" {
  before() { unlink; }
  after() {
    # a command that could not do all of it says so, and how to go on
    if ((status != 0)); then assert_output --partial "dokku interservice:"; fi
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

@test "on a full disk nothing is half done, and what is linked stays linked" {
  [[ "$EUID" == 0 ]] || skip "only root can mount a small disk"
  local owner
  owner="$(stat --format %u:%g "$STORE")"
  mount -t tmpfs -o size=32k,mode=755 tmpfs "$STORE"
  chown "$owner" "$STORE"
  run -0 dokku interservice:link "$CALLER" "$SERVICE" --alias first --no-restart
  fill_disk

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
  run -0 dokku interservice:unlink "$CALLER" "$SERVICE" --no-restart
  assert_nothing_left "$SERVICE"
  umount "$STORE"
}

fill_disk() {
  dd if=/dev/zero of="$STORE/filler" bs=1k 2>/dev/null || true
  run ! dd if=/dev/zero of="$STORE/more" bs=1k count=1
  rm -f "$STORE/more"
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
