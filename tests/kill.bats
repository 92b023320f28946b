#!/usr/bin/env bats
# Nothing stays half done. The plugin is killed (kill -9, with all its children) at each call in turn
# with which it changes something: after that `sync` makes the links true, or the state is the one before.
#
# shellcheck disable=SC2317,SC2034 # at_each_call calls before and after, and reads command
load each-call

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
  local before every=3
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

@test "a link to a datastore, killed at each step, and its unlink" {
  local before every=3
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

@test "apps:rename, killed at each step, and then what sync says" {
  local every=4
  renamed_app
  before() { command=(apps:rename --skip-deploy "$APP" "$NEW"); }
  after() {
    do_what_sync_says
    renamed_app_is_linked
  }
  at_each_call kill "$CHANGES"
  destroy_apps "$APP" "$OTHER"
}

@test "adopt, killed at each step" {
  local every=2
  adopt_at_each_call kill "$CHANGES"
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
