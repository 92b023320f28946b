#!/usr/bin/env bats
# Nothing is lost where something fails. Each call of docker fails once: the command says so, and `sync`
# makes the links true. A full disk changes nothing. Who fails nothing calls docker no more than it must.
#
# shellcheck disable=SC2317,SC2034 # at_each_call calls before and after, and reads command
load each-call

# is_honest: a command that could not do all of it says so, and how to go on; one that says nothing has done it.
is_honest() {
  if ((status != 0)); then
    assert_output --partial "dokku interservice:"
  else
    run -0 --separate-stderr dokku interservice:sync --dry-run
    assert_output ""
  fi
}

@test "apps:rename, each call of docker with which something changes failing once" {
  local every=3
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

@test "adopt, each call of docker failing once" {
  local every=6
  adopt_at_each_call fail '^docker '
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

# link_finds_no_room DIRECTORY SERVICE [FLAG...]: what Dokku writes there it cannot.
link_finds_no_room() {
  small_disk "$1"
  fill_disk "$1"
  run ! dokku interservice:link "$CALLER" "${@:2}" --no-restart
  assert_output --partial "No space left"
  assert_output --partial "dokku interservice:sync $CALLER"
  make_room "$1"
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
  local every=4
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
  link_finds_no_room "$config" "$SERVICE"
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
    link_finds_no_room "$directory" "$SERVICE" --attach create
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

@test "when there is no room for a datastore's properties or links, its link says so and can be finished" {
  local directory
  for directory in "config/redis/$DB" "services/redis/$DB"; do
    directory="$(dokku_lib)/$directory"
    link_finds_no_room "$directory" "redis:$DB"
    datastore_as_wished
    assert [ -e "$STORE/links/$CALLER/redis:$DB" ]
    unlink_datastore
    bigger_disks
  done
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
    mkdir -p "$STORE/links/other$number" "$STORE/apps" "$INTERSERVICE_STANDIN"/home/{other,service}"$number"
    printf 'alias=alias\nport=80\npath=\nenv=\nattach=deploy\n' >"$STORE/links/other$number/service$number@web"
    touch "$STORE/apps/other$number" "$STORE/apps/service$number"
  done
  chown -R --reference "$STORE" "$STORE"
  assert_equal "$(all_calls)" "$few"
  rm -r "$STORE/links" "$STORE/apps" "$INTERSERVICE_STANDIN"/home/{other,service}*
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
