#!/usr/bin/env bats
# interservice:graph: what is drawn of the links, and what a person can do with the page.

load helpers

setup_file() {
  dokku_up
  CALLER="$(new_app)" SERVICE="$(new_app)"
  export CALLER SERVICE
  dokku interservice:link "$CALLER" "$SERVICE" --no-restart
}

teardown_file() {
  destroy_apps "$CALLER" "$SERVICE"
  dokku_down
}

# draw FUNCTION ARG...: a drawing of $GRAPH, or of the graph in tests/fixtures, without a dokku.
draw() {
  # shellcheck disable=SC2016 # the inner shell's
  bash -ec 'plugin_dir="$1"; source "$1/graph"; graph="$(<"$2")"; colour=""; "${@:3}"' draw \
    "$TESTS/../plugin" "${GRAPH:-$TESTS/fixtures/graph.json}" "$@"
}

@test "text: a tree, with what circles back said to be above" {
  run -0 draw graph_draw text
  assert_output "\
web (1 replica)
└─ api (3 replicas) at api:5000  ok 1.3 ms
   ├─ mail (0 of 1 replicas run) at mail:5000  broken: running
   │  └─ api (3 replicas) at api:5000  not measured  (see above)
   └─ postgres:db at dokku-postgres-db:5432  ok 120 ms
without a link, over bridge: web -> postgres:db"
}

@test "mermaid: datastores are cylinders, what is reachable without a link is dashed" {
  run -0 draw graph_draw mermaid
  assert_line --index 0 "flowchart LR"
  assert_line '  n2[("postgres:db")]'
  assert_line '  n0 -->|"mail:5000<br>broken: running"| n1'
  assert_line '  n3 -.-> n2'
  assert_line '  linkStyle 1 stroke:#cf222e,stroke-width:3px'
}

@test "dot: Graphviz reads it; the slower a link, the wider" {
  run -0 bash -o pipefail -c "$(declare -f draw); TESTS='$TESTS'; draw graph_draw dot | dot -Tjson"
  edge() { jq -r --arg id "$1" '.edges[] | select(.id == $id) | "\(.class) \(.penwidth) \(.style)"' <<<"$output"; }
  assert_equal "$(edge e0)" "ok 1.1 null"
  assert_equal "$(edge e1)" "broken 1 null"
  assert_equal "$(edge e3)" "ok 3.08 null"
  assert_equal "$(edge e4)" "undeclared null dashed"
}

@test "svg: well-formed, and carries its style along" {
  draw graph_svg >"$BATS_TEST_TMPDIR/graph.svg"
  run -0 python3 -c '
import sys, xml.etree.ElementTree
root = xml.etree.ElementTree.parse(sys.argv[1]).getroot()
print(root.tag, len(root.findall(".//{*}g[@class]")), "prefers-color-scheme" in root.find("{*}style").text)
' "$BATS_TEST_TMPDIR/graph.svg"
  assert_output "{http://www.w3.org/2000/svg}svg 10 True"
}

@test "html: one file that asks for nothing else" {
  draw graph_html >"$BATS_TEST_TMPDIR/graph.html"
  run -1 grep -nE '(src|href)=|@import|url\(|<link' "$BATS_TEST_TMPDIR/graph.html"
  run -0 grep -c 'mail.web.1 is &lt;stopped&gt;' "$BATS_TEST_TMPDIR/graph.html"
}

@test "html: can be used with mouse, keyboard and screen reader, in light and dark, small and large" {
  draw graph_html >"$BATS_TEST_TMPDIR/graph.html"
  run -0 "$TESTS/graph-page" "$BATS_TEST_TMPDIR/graph.html"
}

@test "html: 200 names with 357 links are soon drawn, and can still be read" {
  local GRAPH="$BATS_TEST_TMPDIR/graph.json" begin="$SECONDS"
  jq -nc --from-file "$TESTS/fixtures/large-graph.jq" >"$GRAPH"
  draw graph_html >"$BATS_TEST_TMPDIR/graph.html"
  ((SECONDS - begin < 30)) || fail "it took $((SECONDS - begin)) s"
  run -0 "$TESTS/graph-page" "$BATS_TEST_TMPDIR/graph.html"
}

@test "a real graph knows the links; what was never measured is said not to be" {
  run -0 --separate-stderr dokku interservice:graph "$SERVICE" --format json
  assert_equal "$(jq -r .schema <<<"$output")" interservice.graph/1
  assert_equal "$(jq -c '[.edges[] | [.from, .to, .alias, .port, .kind]]' <<<"$output")" \
    "[[\"$CALLER\",\"$SERVICE\",\"$SERVICE\",5000,\"link\"]]"
  local key
  for key in $(jq -r 'keys[], (.nodes[0] | keys[]), (.edges[0] | keys[])' <<<"$output"); do
    grep -Fq "\`$key\`" "$TESTS/../docs/graph.md" || fail "docs/graph.md does not say what $key is"
  done
}

@test "--measure: the graph shows what status would say now" {
  run -0 --separate-stderr dokku interservice:graph "$CALLER" --measure
  assert_output "\
$CALLER (0 replicas)
└─ $SERVICE (0 replicas) at $SERVICE:5000  broken: running"
  # and that is what it shows until it is measured again
  run -0 --separate-stderr dokku interservice:graph "$CALLER" --format dot
  assert_output --partial 'class="broken"'
}

@test "a graph of one app: what it calls and who calls it, not the others" {
  local other
  other="$(new_app)"
  dokku interservice:link "$other" "$CALLER" --no-restart
  run -0 --separate-stderr dokku interservice:graph "$other"
  assert_line --index 0 "$other (0 replicas)"
  assert_line --index 2 --partial "$SERVICE"
  dokku interservice:unlink "$other" "$CALLER" --no-restart
  run -0 --separate-stderr dokku interservice:graph "$other"
  assert_output "$other (0 replicas)"
  destroy_apps "$other"
}

@test "exit codes: 2 for a wrong command line, 20 for an app that is not there" {
  run -2 dokku interservice:graph --format png
  run -2 dokku interservice:graph --nonsense
  run -20 dokku interservice:graph "$CALLER-not"
}
