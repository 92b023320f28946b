#!/usr/bin/env bats
# Hooks are guests in others' deploys.
load helpers

# hook NAME ARG...: run it as plugn would, under strace; how many programs and processes it started.
processes_of() {
  local trace="$BATS_TEST_TMPDIR/trace"
  DOKKU_LIB_ROOT="$BATS_TEST_TMPDIR/lib" PLUGIN_PATH="$BATS_TEST_TMPDIR" \
    strace --follow-forks --quiet=all --trace=execve,clone,clone3,fork,vfork --output "$trace" \
    "$TESTS/../$1" "${@:2}" </dev/null
  # execve of `env`, then of `bash` wherever in PATH it is, is what its first line asks for
  grep -cE '^[0-9]+ +(clone3?|v?fork)\(|execve\(.* = 0$' "$trace"
}

@test "a hook with nothing to do starts no process but its own shell" {
  mkdir -p "$BATS_TEST_TMPDIR/lib/data"
  local hook
  for hook in post-deploy post-container-create pre-delete post-delete post-app-rename-setup post-app-rename \
    post-app-clone-setup post-app-clone service-action scheduler-retire; do
    run -0 processes_of "$hook" app two three four five
    assert_output 2
  done
}

@test "hooks read no stdin and print nothing on stdout" {
  local app
  app="$(new_app)"
  deploy_app "$app" client
  run -0 --separate-stderr dokku run "$app" echo only-this
  assert_output only-this
  destroy_apps "$app"
}

@test "a hook that cannot do its work says what mends it, and fails nobody's deploy" {
  local caller service lock
  caller="$(new_app)" service="$(new_app)"
  run -0 dokku interservice:link "$caller" "$service" --port 5000 --no-restart

  lock="$(dokku_lib)/data/interservice/lock"
  in_background "$BATS_TEST_TMPDIR/holder" flock "$lock" sleep 20
  wait_until 5 eval "! flock --nonblock '$lock' true"
  INTERSERVICE_LOCK_SECONDS=1 run -0 dokku plugin:trigger post-deploy "$service" "" "" latest
  assert_output --partial "dokku interservice:sync $service"
  pkill --full "flock $lock" || true

  wait_until 30 flock --nonblock "$lock" true
  run -0 dokku interservice:unlink "$caller" "$service" --no-restart
  destroy_apps "$caller" "$service"
}

@test "commands leaves at once for words that are not its own" {
  run -10 "$TESTS/../commands" apps:list
  assert_output ""
}
