#!/usr/bin/env bats
# What a request costs the kernel: the program of web's image, counted by strace. No times.

load web

setup_file() {
  local container
  web_suite_up
  container="$(docker create "$(labelled)" "$WEB_IMAGE")"
  docker cp "$container:/web" "$BATS_FILE_TMPDIR/web"
}

teardown_file() { web_suite_down; }

# count_calls BATCHES SIZE: what the program calls from its start to its end, for so many batches of
# requests on one connection, into $CALLS.
count_calls() {
  local log="$BATS_TEST_TMPDIR/log" strace
  CALLS="$BATS_TEST_TMPDIR/calls"
  PORT=0 CHECK_DB_URL=http://127.0.0.1:1/ strace --follow-forks --summary-only --output="$CALLS" \
    "$BATS_FILE_TMPDIR/web" >"$log" 2>&1 3>&- &
  strace=$!
  await 20 grep -q "listens on port" "$log"
  python3 -c '
import socket, sys
port, batches, size = map(int, sys.argv[1:])
s = socket.create_connection(("127.0.0.1", port), timeout=20)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for _ in range(batches):
    s.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * size)
    answers = b""
    while answers.count(b"\r\n\r\nok\n") < size:
        answers += s.recv(65536)' "$(sed -n 's/.* listens on port //p' "$log")" "$1" "$2"
  kill "$(pgrep --parent "$strace")"
  wait "$strace"
}

# calls NAME...: how often these were called; without a name all of them were.
calls() {
  awk -v names=" $* " '$1 ~ /^[0-9.]+$/ && $NF != "total" && (names == "  " || index(names, " " $NF " ")) { n += $4 }
    END { print n + 0 }' "$CALLS"
}

@test "a keep-alive request costs one read and one write, and no memory" {
  local all waits
  count_calls 10000 1
  # To wait is shared by all who are ready.
  waits="$(calls epoll_wait epoll_pwait)" all="$(calls)"
  echo "# 10000 requests: $((all - waits)) calls, and $waits waits; $(calls brk mmap mremap) for memory, from start to end" >&3
  ((all - waits <= 20000 + 200)) || fail "$(cat "$CALLS")"
  (($(calls brk mmap mremap) <= 50)) || fail "$(cat "$CALLS")"
}

@test "a pipelined batch of 16 costs one write" {
  local writes
  count_calls 500 16
  writes="$(calls write writev sendto sendmsg)"
  echo "# 500 batches of 16 requests: $writes writes" >&3
  ((writes <= 500 + 30)) || fail "$(cat "$CALLS")"
}
